import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from pipeline.cluster_store import Clustering, ClusterStore, NamedClusterings, Projection, write_clusters
from pipeline.embedding_store import EmbeddingStore, write_embeddings
from pipeline.errors import InputError
from pipeline.images.codecs import encode_png
from pipeline.metrics.confusion import Confusion, iou_matrix
from pipeline.packed import Packed, write_packed
from pipeline.segmentation import clustering_confusions, region_counts
from pipeline.segmentation.clustering_confusions import Run, count_clusterings, read_confusions, write_confusions

IDS = ["a", "b", "c"]


def clustering(*assignments: int) -> Clustering:
    return Clustering(np.array(assignments, dtype=np.int32), np.zeros((2, 1), dtype=np.float32), 0.0)


def written(tmp_path: Path, named: dict[str, dict[int, dict[int, Clustering]]], grids: dict[str, int]) -> ClusterStore:
    projection = Projection(np.zeros(3, dtype=np.float32), np.zeros((3, 1), dtype=np.float32))
    tables = {name: NamedClusterings(projection, runs, grids.get(name, 0)) for name, runs in named.items()}
    write_clusters(tmp_path / "clusters.h5", IDS, tables, {"split": "val"})
    return ClusterStore(tmp_path / "clusters.h5")


def labels_of(tmp_path: Path, maps: dict[str, np.ndarray], classes: list[str], **metadata: bool) -> Packed:
    entries = [(image_id, encode_png(label_map)) for image_id, label_map in maps.items()]
    write_packed(tmp_path / "labels.h5", entries, "labels", metadata={"classes": classes, **metadata})
    return Packed(tmp_path / "labels.h5", "labels")


@pytest.fixture
def embeddings(tmp_path: Path) -> EmbeddingStore:
    """Three 4x4 squares whose left half is predicted salient, except the last, in which nothing is."""
    saliency = np.zeros((3, 4, 4), dtype=np.uint8)
    saliency[:2, :, :2] = 200
    tables = {"start": np.eye(3, dtype=np.float32)}
    write_embeddings(tmp_path / "embeddings.h5", IDS, saliency, tables, 4, {"threshold": 0.5})
    return EmbeddingStore(tmp_path / "embeddings.h5")


@pytest.fixture
def labels(tmp_path: Path) -> Packed:
    """The true object fills the left half of 8x8: cat, dog, cat."""
    maps = {image_id: np.zeros((8, 8), dtype=np.uint8) for image_id in IDS}
    for image_id, label in zip(IDS, (1, 2, 1), strict=True):
        maps[image_id][:, :4] = label
    return labels_of(tmp_path, maps, ["background", "cat", "dog"])


def test_an_image_without_foreground_lands_on_the_background(
    embeddings: EmbeddingStore, labels: Packed, tmp_path: Path
):
    store = written(tmp_path, {"start": {3: {5: clustering(1, 0, -1)}}}, {})
    found = count_clusterings(store, embeddings, labels, [0, 2])
    # The third image's cat is missed. At 2x2 each half has 2 pixels.
    assert found[Run("start", 3, 5)][0].tolist() == [[96, 32, 0], [0, 0, 32], [0, 32, 0]]
    assert found[Run("start", 3, 5)][2].tolist() == [[6, 2, 0], [0, 0, 2], [0, 2, 0]]


def test_cells_are_counted_where_they_lie(embeddings: EmbeddingStore, labels: Packed, tmp_path: Path):
    # Clusters 2 and 1 fill the left halves, 0 the right ones; in the last image the lower left cell is missed.
    store = written(tmp_path, {"pixels": {3: {5: clustering(2, 0, 2, 0, 1, 0, 1, 0, 2, 0, 0, 0)}}}, {"pixels": 2})
    found = count_clusterings(store, embeddings, labels, [0])[Run("pixels", 3, 5)][0]
    assert found.tolist() == [[96, 16, 0], [0, 0, 32], [0, 48, 0]]


def test_all_tables_seeds_and_sizes_equal_painted_label_maps_whatever_the_number_of_images_held(
    embeddings: EmbeddingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rng = np.random.default_rng(0)
    sizes = {"a": (9, 5), "b": (4, 7), "c": (8, 3)}
    maps = {image_id: rng.choice(np.array([0, 1, 255], dtype=np.uint8), size) for image_id, size in sizes.items()}
    runs = {k: {seed: clustering(*rng.integers(0, k - 1, 3)) for seed in (3, 1)} for k in (2, 6)}
    cells = {4: {0: clustering(*rng.integers(0, 4, 27))}}
    store = written(tmp_path, {"start": runs, "pixels": cells}, {"pixels": 3})
    labels = labels_of(tmp_path, maps, ["background", "cat"])
    monkeypatch.setattr(clustering_confusions, "IMAGES", 2)
    found = count_clusterings(store, embeddings, labels, [0, 7])
    assert found.keys() == {Run("pixels", 4, 0), *(Run("start", k, seed) for k in (2, 6) for seed in (1, 3))}
    for run, by_size in found.items():
        assignments = store.runs(run.name, run.clusters)[run.seed].assignments
        for size, confusion in by_size.items():
            assert confusion.tolist() == painted(embeddings, maps, run, assignments, size).tolist()


def painted(
    embeddings: EmbeddingStore, maps: dict[str, np.ndarray], run: Run, assignments: np.ndarray, size: int
) -> np.ndarray:
    """The confusion matrix by painting every square and resizing what was painted."""
    confusion = Confusion(run.clusters, 2)
    for i, label_map in enumerate(maps.values()):
        square = np.where(embeddings.foreground(i), 1 + assignments[i], 0)
        if run.name == "pixels":
            square = assignments.reshape(3, 3, 3)[i]
        height, width = (size, size) if size else label_map.shape
        predicted, true = (
            np.asarray(Image.fromarray(drawn.astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST))
            for drawn in (square, label_map)
        )
        confusion.add(predicted, true)
    return confusion.counts


def test_clusters_without_any_image_keep_empty_rows_when_k_is_above_the_classes(
    embeddings: EmbeddingStore, labels: Packed, tmp_path: Path
):
    store = written(tmp_path, {"start": {9: {5: clustering(6, 3, -1)}}}, {})
    found = count_clusterings(store, embeddings, labels, [0])[Run("start", 9, 5)][0]
    assert found.sum(axis=1).tolist() == [128, 0, 0, 0, 32, 0, 0, 32, 0]
    assert np.isfinite(iou_matrix(found)).all()


def test_every_label_map_is_decoded_once(
    embeddings: EmbeddingStore, labels: Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    decoded, decode = [], region_counts.decode_labels
    monkeypatch.setattr(region_counts, "decode_labels", lambda data: decoded.append(1) or decode(data))
    runs = {k: {seed: clustering(0, 0, -1) for seed in range(3)} for k in (2, 3)}
    count_clusterings(written(tmp_path, {"start": runs, "other": runs}, {}), embeddings, labels, [0, 2, 5])
    assert len(decoded) == 3


def test_what_is_written_comes_back_and_is_the_same_file(tmp_path: Path):
    found = {Run("start", k, seed): {size: np.arange(3 * k).reshape(k, 3) + seed + size for size in (0, 100)}
             for k in (21, 100) for seed in (0, 1)}  # fmt: skip
    for name in ("first", "second"):
        write_confusions(tmp_path / f"{name}.h5", found, ["background", "cat", "dog"])
    back = read_confusions(tmp_path / "first.h5")
    assert list(back) == list(found)
    assert all(np.array_equal(back[run][size], found[run][size]) for run in found for size in (0, 100))
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()
    with h5py.File(tmp_path / "first.h5") as file:
        assert json.loads(str(file.attrs["classes"])) == ["background", "cat", "dog"]


def test_missing_label_maps_are_refused_with_their_number_and_the_first(embeddings: EmbeddingStore, tmp_path: Path):
    store = written(tmp_path, {"start": {3: {5: clustering(1, 0, -1)}}}, {})
    some = labels_of(tmp_path, {"a": np.zeros((2, 2), dtype=np.uint8)}, ["background"])
    with pytest.raises(InputError, match=r"split val: 2 of 3 images have no label map in .*\(first b\); pack"):
        count_clusterings(store, embeddings, some, [0])


def test_an_image_that_waits_for_its_label_map_counts_nothing(embeddings: EmbeddingStore, tmp_path: Path):
    store = written(tmp_path, {"start": {3: {5: clustering(1, 0, -1)}}}, {})
    maps, classes = {"a": np.zeros((2, 2), dtype=np.uint8)}, ["background"]
    found = count_clusterings(store, embeddings, labels_of(tmp_path, maps, classes, partly=True), [0])
    assert sum(counts[0].sum() for counts in found.values()) == 4
    with pytest.raises(InputError, match="split val: 3 of 3 images have no label map"):
        count_clusterings(store, embeddings, labels_of(tmp_path, {}, classes, partly=True), [0])


def test_a_label_outside_the_classes_is_refused_by_name(embeddings: EmbeddingStore, tmp_path: Path):
    store = written(tmp_path, {"start": {3: {5: clustering(1, 0, -1)}}}, {})
    odd = labels_of(tmp_path, {i: np.full((2, 2), 9 * (i == "b"), np.uint8) for i in IDS}, ["background"])
    with pytest.raises(InputError, match="label map of b holds class 9 but only 1 classes"):
        count_clusterings(store, embeddings, odd, [0, 100])
