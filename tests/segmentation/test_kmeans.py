from pathlib import Path

import numpy as np
import pytest

from pipeline.cluster_store import ClusterStore, write_clusters
from pipeline.errors import InputError
from pipeline.params import Cluster
from pipeline.segmentation.kmeans import cluster_cells, cluster_embeddings
from pipeline.segmentation.lloyd import assign
from tests.profiles import changed
from tests.segmentation.blobs import blobs

OPTIONS = Cluster(
    split="val", clusters=[3, 6], seeds=[0, 7], iterations=10, restarts=2, components=4, pixel_components=3,
    whiten=True, spherical=False,
)  # fmt: skip


def test_images_with_nothing_salient_are_assigned_nowhere_and_change_no_other():
    embeddings = blobs(20, 5, 6)
    padded = np.insert(embeddings, 3, 0, axis=0)
    alone, beside = (cluster_embeddings("start", table, OPTIONS).runs[6][7] for table in (embeddings, padded))
    assert beside.assignments[3] == -1
    assert np.array_equal(np.delete(beside.assignments, 3), alone.assignments)
    assert np.array_equal(beside.centroids, alone.centroids)


def test_background_is_one_of_the_k_clusters():
    runs = cluster_embeddings("start", blobs(20, 5, 6), OPTIONS).runs
    assert {k: run[0].centroids.shape for k, run in runs.items()} == {3: (2, 4), 6: (5, 4)}


def test_cells_of_one_kind_form_a_cluster_whatever_image_they_are_in():
    kinds = np.array([[0, 1, 1, 2], [2, 2, 1, 0], [1, 1, 1, 1]])
    features = np.random.default_rng(0).normal(size=(3, 5))[kinds].reshape(3, 2, 2, 5).astype(np.float16)
    projection, runs, grid = cluster_cells("start_pixels", features, OPTIONS.model_copy(update={"clusters": [3]}))
    assert grid == 2
    assert runs[3][0].centroids.shape == (3, 3)
    assert len(set(zip(runs[3][0].assignments, kinds.ravel(), strict=True))) == 3
    assert runs[3][0].inertia == pytest.approx(0, abs=1e-5)
    assert np.isfinite(projection.matrix).all()


def test_too_few_salient_images_are_refused():
    with pytest.raises(InputError, match="asks for 6 clusters, but split val has only 4 images"):
        cluster_embeddings("start", blobs(4, 2, 6), OPTIONS)


def test_too_few_cells_are_refused():
    features = np.random.default_rng(0).normal(size=(1, 2, 2, 5)).astype(np.float16)
    with pytest.raises(InputError, match="asks for 6 clusters, but split val has only 4 cells of 1 images"):
        cluster_cells("start_pixels", features, OPTIONS)


def test_by_cosine_the_length_of_an_embedding_does_not_matter():
    options = changed(OPTIONS, whiten=False, spherical=True, components=6)
    embeddings = blobs(30, 5, 6)
    longer = embeddings * np.linspace(0.5, 2, 30, dtype=np.float32)[:, None]
    runs, scaled = (cluster_embeddings("start", table, options).runs[6][0] for table in (embeddings, longer))
    assert len(set(zip(runs.assignments, scaled.assignments, strict=True))) == 5
    assert runs.inertia == pytest.approx(scaled.inertia, rel=1e-3)


def test_a_new_embedding_finds_its_centroid_of_kmeans_by_cosine_as_the_store_says():
    options = changed(OPTIONS, whiten=False, spherical=True)
    embeddings = 3 * blobs(40, 5, 6, spread=0.5)
    projection, runs, _ = cluster_embeddings("start", embeddings, options)
    nearest, _ = assign(projection.apply(embeddings), runs[6][7].centroids)
    assert not projection.mean.any()
    assert np.array_equal(nearest, runs[6][7].assignments)


def test_whitening_and_cosine_exclude_each_other():
    with pytest.raises(ValueError, match="whiten and spherical are both true"):
        changed(OPTIONS, spherical=True)


def test_a_stored_clustering_assigns_its_own_images_again_and_is_the_same_file_twice(tmp_path: Path):
    embeddings, ids = blobs(12, 5, 6), [f"img_{i:02d}" for i in range(12)]
    for file in ("first.h5", "second.h5"):
        clusterings = {"maskcontrast": cluster_embeddings("maskcontrast", embeddings, OPTIONS)}
        write_clusters(tmp_path / file, ids, clusterings, {"split": "val"})
    store = ClusterStore(tmp_path / "first.h5")
    assert (store.names, store.clusters("maskcontrast"), store.ids) == (["maskcontrast"], [3, 6], ids)
    run = store.runs("maskcontrast", 6)[7]
    nearest, inertia = assign(store.projection("maskcontrast").apply(embeddings), run.centroids)
    assert np.array_equal(nearest, run.assignments)
    assert inertia == run.inertia
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()
