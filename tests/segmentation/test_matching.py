from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from pipeline.cluster_store import Clustering, ClusterStore, NamedClusterings, Projection, write_clusters
from pipeline.embedding_store import EmbeddingStore, write_embeddings
from pipeline.errors import InputError
from pipeline.images.codecs import encode_png
from pipeline.metrics.confusion import Confusion, iou_matrix, mean_iou
from pipeline.packed import Packed, write_packed
from pipeline.segmentation.matching import Match, match, match_all, mean_and_spread, merge_clusters
from pipeline.segmentation.region_counts import (
    count_cells,
    count_foregrounds,
    count_image,
    painted_rows,
    region_confusion,
)

GOLDEN = np.array([[24, 0, 8], [16, 2, 0], [3, 7, 5]])


@pytest.mark.parametrize(("criterion", "classes", "miou"), [("iou", [2, 0, 1], 0.3278), ("pixels", [0, 1, 2], 0.2560)])
def test_matching_by_iou_and_by_pixels_differ_as_worked_out(criterion, classes: list[int], miou: float):
    mapping = match(GOLDEN, criterion)
    assert mapping.tolist() == classes
    assert mean_iou(merge_clusters(GOLDEN, mapping)) == pytest.approx(miou, abs=5e-5)


def test_no_permutation_has_a_higher_sum_of_iou():
    rng = np.random.default_rng(0)
    for _ in range(10):
        confusion = rng.integers(0, 50, (5, 5))
        iou = iou_matrix(confusion)
        best = max(sum(iou[row, column] for row, column in enumerate(p)) for p in permutations(range(5)))
        assert iou[np.arange(5), match(confusion, "iou")].sum() == pytest.approx(best)


def test_with_more_clusters_than_classes_each_takes_the_class_of_highest_iou_not_of_most_pixels():
    # Cluster 1 holds 60 background and 40 object pixels: IoU 60 / 940 against 40 / 160.
    confusion = np.array([[840, 20], [60, 40], [0, 40]])
    assert match(confusion, "iou").tolist() == [0, 1, 1]
    assert match(confusion, "pixels").tolist() == [0, 1, 1]


def test_an_empty_cluster_becomes_background_and_fewer_clusters_than_classes_work():
    assert match(np.array([[9, 1, 0], [0, 0, 5], [0, 0, 0], [1, 7, 0]]), "iou").tolist() == [0, 2, 0, 1]
    assert match(np.array([[9, 1, 0], [0, 0, 5]]), "iou").tolist() == [0, 2]


def test_merged_clusters_keep_every_pixel():
    confusion = np.array([[9, 1], [0, 5], [2, 7]])
    assert merge_clusters(confusion, np.array([0, 1, 1])).tolist() == [[9, 1], [2, 12]]


def test_counts_paint_the_same_confusion_as_label_maps():
    rng = np.random.default_rng(0)
    foregrounds = rng.random((6, 8, 8)) < 0.4
    labels = rng.choice(np.array([0, 1, 2, 255], dtype=np.uint8), (6, 11, 9))
    rows = rng.integers(0, 5, 6)
    painted = Confusion(5, 3)
    for foreground, label_map, row in zip(foregrounds, labels, rows, strict=True):
        y, x = (np.arange(11) * 2 + 1) * 8 // 22, (np.arange(9) * 2 + 1) * 8 // 18
        painted.add(np.where(foreground[np.ix_(y, x)], row, 0), label_map)
    counts = np.stack([count_image(f, m)[:, :3] for f, m in zip(foregrounds, labels, strict=True)])
    assert np.array_equal(region_confusion(painted_rows(rows), counts, 5), painted.counts)


def test_mean_and_spread_are_in_percent_and_one_seed_has_no_spread():
    perfect, half = np.array([[4, 0], [0, 4]]), np.array([[4, 0], [4, 0]])
    mapping = np.arange(2)
    matches = [Match("start", 2, seed, mapping, confusion) for seed, confusion in enumerate((perfect, half))]
    # The second has IoU 4/8 and 0: mIoU 25 and accuracy 50. The sample s.d. of two numbers is |a - b| / sqrt(2).
    assert mean_and_spread(matches) == pytest.approx(
        {"seeds": 2, "miou_mean": 62.5, "miou_std": 75 / 2**0.5, "accuracy_mean": 75, "accuracy_std": 50 / 2**0.5}
    )
    assert mean_and_spread(matches[:1])["miou_std"] == 0


@pytest.fixture
def scenes(tmp_path: Path) -> tuple[EmbeddingStore, Path]:
    """Three 4x4 images whose left half is predicted salient, except the last; the true object fills it: 1, 2, 1."""
    saliency = np.zeros((3, 4, 4), dtype=np.uint8)
    saliency[:2, :, :2] = 200
    labels = np.zeros((3, 8, 8), dtype=np.uint8)
    labels[:, :, :4] = np.array([1, 2, 1])[:, None, None]
    ids, tables = ["a", "b", "c"], {"start": np.eye(3, dtype=np.float32)}
    write_embeddings(tmp_path / "embeddings.h5", ids, saliency, tables, 4, {"threshold": 0.5})
    entries = [(image_id, encode_png(label_map)) for image_id, label_map in zip(ids, labels, strict=True)]
    write_packed(tmp_path / "labels.h5", entries, "labels", metadata={"classes": ["background", "cat", "dog"]})
    return EmbeddingStore(tmp_path / "embeddings.h5"), tmp_path / "labels.h5"


def test_a_stored_clustering_is_scored_by_hand(scenes: tuple[EmbeddingStore, Path], tmp_path: Path):
    embeddings, labels = scenes
    counts = count_foregrounds(embeddings, Packed(labels, "labels"), ["a", "b", "c"], "val")
    assert counts.tolist() == [[[32, 0, 0], [0, 32, 0]], [[32, 0, 0], [0, 0, 32]], [[32, 32, 0], [0, 0, 0]]]
    run = Clustering(np.array([1, 0, -1], dtype=np.int32), np.zeros((2, 1), dtype=np.float32), 0.0)
    projection = Projection(np.zeros(3, dtype=np.float32), np.zeros((3, 1), dtype=np.float32))
    named = {"start": NamedClusterings(projection, {3: {5: run}})}
    write_clusters(tmp_path / "clusters.h5", ["a", "b", "c"], named, {"split": "val"})
    (found,) = match_all(ClusterStore(tmp_path / "clusters.h5"), {0: counts}, "iou")
    assert found[:3] == ("start", 3, 5)
    assert found.mapping.tolist() == [0, 2, 1]
    # Background 96 / 128, cat 32 / 64 since the third image is missed, dog 32 / 32.
    assert mean_iou(found.confusion) == pytest.approx((0.75 + 0.5 + 1) / 3)


def test_cells_are_scored_where_they_lie(scenes: tuple[EmbeddingStore, Path], tmp_path: Path):
    counts = count_cells(Packed(scenes[1], "labels"), ["a", "b", "c"], "val", 2)
    assert counts[1].tolist() == [[0, 0, 16], [16, 0, 0], [0, 0, 16], [16, 0, 0]]
    # Clusters 2 and 1 fill the left halves, 0 the right ones; in the last image the lower left cell is missed.
    assignments = np.array([2, 0, 2, 0, 1, 0, 1, 0, 2, 0, 0, 0], dtype=np.int32)
    run = Clustering(assignments, np.zeros((3, 1), dtype=np.float32), 0.0)
    projection = Projection(np.zeros(3, dtype=np.float32), np.zeros((3, 1), dtype=np.float32))
    named = {"start_pixels": NamedClusterings(projection, {3: {5: run}}, 2)}
    write_clusters(tmp_path / "clusters.h5", ["a", "b", "c"], named, {"split": "val"})
    (found,) = match_all(ClusterStore(tmp_path / "clusters.h5"), {2: counts}, "iou")
    assert found.mapping.tolist() == [0, 2, 1]
    assert found.confusion.tolist() == [[96, 16, 0], [0, 48, 0], [0, 0, 32]]


def test_an_unlabelled_image_is_refused_by_name(scenes: tuple[EmbeddingStore, Path], tmp_path: Path):
    write_packed(tmp_path / "none.h5", [], "labels", metadata={"classes": []})
    with pytest.raises(InputError, match="holds no label map, so split val cannot be scored"):
        count_foregrounds(scenes[0], Packed(tmp_path / "none.h5", "labels"), ["a"], "val")
    write_packed(tmp_path / "odd.h5", [("a", encode_png(np.full((2, 2), 9, np.uint8)))], "labels",
                 metadata={"classes": ["background"]})  # fmt: skip
    with pytest.raises(InputError, match="label map of a holds class 9 but only 1 classes"):
        count_foregrounds(scenes[0], Packed(tmp_path / "odd.h5", "labels"), ["a"], "val")
