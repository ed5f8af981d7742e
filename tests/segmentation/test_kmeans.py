from pathlib import Path

import numpy as np
import pytest
from scipy.cluster.vq import kmeans2

from pipeline.cluster_store import ClusterStore, write_clusters
from pipeline.errors import InputError
from pipeline.params import Cluster
from pipeline.segmentation.kmeans import (
    assign,
    cluster_cells,
    cluster_embeddings,
    fit_projection,
    initial_centroids,
    kmeans,
)

OPTIONS = Cluster(
    split="val", clusters=[3, 6], seeds=[0, 7], iterations=10, restarts=2, components=4, whiten=True
)  # fmt: skip


def blobs(n: int, k: int, d: int, spread: float = 0.05) -> np.ndarray:
    """Points around k random centres, in turn."""
    rng = np.random.default_rng(3)
    return (rng.normal(size=(k, d))[np.arange(n) % k] + spread * rng.normal(size=(n, d))).astype(np.float32)


def test_separated_blobs_are_found():
    found = kmeans(blobs(60, 4, 8), 4, 20, 3, np.random.default_rng(0)).assignments
    assert len(set(found[:4])) == 4
    assert np.array_equal(found, np.tile(found[:4], 15))


@pytest.mark.parametrize("seed", range(3))
def test_inertia_is_no_worse_than_that_of_a_single_naive_run(seed: int):
    points = blobs(200, 40, 6, spread=0.4)
    ours = kmeans(points, 20, 30, 3, np.random.default_rng(seed))
    centroids, nearest = kmeans2(points, 20, iter=30, minit="++", rng=np.random.default_rng(seed))
    assert ours.inertia <= ((points - centroids[nearest]) ** 2).sum() * (1 + 1e-5)


def test_inertia_is_the_sum_of_squared_distances_to_the_own_centroid():
    points = blobs(50, 5, 4, spread=0.5)
    run = kmeans(points, 5, 10, 1, np.random.default_rng(0))
    assert run.inertia == pytest.approx(((points - run.centroids[run.assignments]) ** 2).sum(), rel=1e-4)


def test_more_restarts_never_raise_the_inertia():
    points = blobs(120, 30, 5, spread=0.5)
    inertia = [kmeans(points, 15, 10, restarts, np.random.default_rng(0)).inertia for restarts in (1, 2, 5)]
    assert inertia == sorted(inertia, reverse=True)


def test_as_many_centroids_as_points_leave_no_inertia():
    run = kmeans(blobs(6, 6, 3), 6, 5, 1, np.random.default_rng(0))
    assert run.inertia == pytest.approx(0, abs=1e-5)
    assert sorted(run.assignments) == list(range(6))


def test_initial_centroids_are_points_and_reach_every_far_blob():
    points = blobs(40, 8, 10, spread=0.001)
    start = initial_centroids(points, 8, np.random.default_rng(0))
    assert all((points == centroid).all(axis=1).any() for centroid in start)
    assert sorted(assign(start, points[:8])[0]) == list(range(8))


def test_equal_points_do_not_stop_the_initialisation():
    start = initial_centroids(np.ones((5, 2), dtype=np.float32), 3, np.random.default_rng(0))
    assert np.array_equal(start, np.ones((3, 2), dtype=np.float32))


def test_whitened_points_have_unit_variance_and_no_correlation():
    embeddings = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32) @ np.diag([9, 5, 3, 1, 1, 0.5])
    points = fit_projection(embeddings.astype(np.float32), 4, True).apply(embeddings.astype(np.float32))
    assert np.cov(points.T) == pytest.approx(np.eye(4), abs=1e-4)


def test_without_whitening_a_full_projection_keeps_distances():
    embeddings = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    points = fit_projection(embeddings, 32, False).apply(embeddings)
    assert points.shape == (30, 5)
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(np.linalg.norm(embeddings[0] - embeddings[1]))


def test_fewer_samples_than_dimensions_leave_zero_directions_and_no_noise():
    embeddings = np.random.default_rng(0).normal(size=(4, 10)).astype(np.float32)
    points = fit_projection(embeddings, 8, True).apply(embeddings)
    assert points.var(axis=0, ddof=1) == pytest.approx([1, 1, 1, 0, 0, 0, 0, 0], abs=1e-4)


def test_equal_embeddings_are_projected_to_zero():
    embeddings = np.full((3, 4), 0.5, dtype=np.float32)
    assert not fit_projection(embeddings, 2, True).apply(embeddings).any()


def test_the_largest_entry_of_every_direction_is_positive():
    matrix = fit_projection(np.random.default_rng(2).normal(size=(50, 7)).astype(np.float32), 7, False).matrix
    assert (np.take_along_axis(matrix, np.abs(matrix).argmax(axis=0)[None], axis=0) > 0).all()


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
    assert runs[3][0].centroids.shape == (3, 4)
    assert len(set(zip(runs[3][0].assignments, kinds.ravel(), strict=True))) == 3
    assert runs[3][0].inertia == pytest.approx(0, abs=1e-5)
    assert np.isfinite(projection.matrix).all()


def test_too_few_salient_images_are_refused():
    with pytest.raises(InputError, match="asks for 6 clusters, but split val has only 4 images"):
        cluster_embeddings("start", blobs(4, 2, 6), OPTIONS)


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
