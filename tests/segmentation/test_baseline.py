from pathlib import Path

import numpy as np
import pytest

from pipeline.cluster_store import ClusterStore
from pipeline.embedding_store import EmbeddingStore, write_embeddings
from pipeline.history import History
from pipeline.images.codecs import encode_png
from pipeline.packed import Packed, write_packed
from pipeline.segmentation.baseline import iou_table, kmeans_scores, linear_scores, retrieval_scores
from pipeline.segmentation.linear_probe import Probe
from tests.profiles import SAMPLE, changed

CLASSES = ["background", "cat", "dog"]
ODD = np.arange(12) % 2


@pytest.fixture
def sets(disc_images: Path, tmp_path: Path) -> tuple[Packed, EmbeddingStore, Packed]:
    """Left half of every 4 x 4 image an object, a cat in even images and a dog in odd ones; all of it is salient."""
    ids = [f"img_{i:02d}" for i in range(12)]
    saliency = np.zeros((12, 4, 4), dtype=np.uint8)
    saliency[:, :, :2] = 255
    write_embeddings(tmp_path / "e.h5", ids, saliency, {}, 4, {"threshold": 0.5})
    labels = ((saliency > 0) * (1 + ODD[:, None, None])).astype(np.uint8)
    entries = [(image_id, encode_png(label_map)) for image_id, label_map in zip(ids, labels, strict=True)]
    write_packed(tmp_path / "l.h5", entries, "labels", metadata={"classes": CLASSES})
    return Packed(disc_images, "images"), EmbeddingStore(tmp_path / "e.h5"), Packed(tmp_path / "l.h5", "labels")


def test_features_that_are_the_class_give_perfect_label_maps(
    sets: tuple[Packed, EmbeddingStore, Packed], tmp_path: Path
):
    pooled = np.eye(4, dtype=np.float32)[ODD]
    # Of split val, images 8 to 11: two cells a side, the left ones with the feature of the object.
    cells = np.zeros((4, 2, 2, 4), dtype=np.float16)
    cells[:, :, 0, :2] = np.eye(2)[ODD[8:], None]
    cells[:, :, 1, 2] = 1
    options = changed(SAMPLE.cluster, clusters=[3], seeds=[0, 1], components=3), SAMPLE.match_clusters
    found = kmeans_scores(pooled, cells, *sets, options, tmp_path / "clusters.h5")
    for protocol in ("kmeans_pixels", "kmeans_same_foreground"):
        assert found.summary[protocol]["k3"]["a"]["miou_mean"] == 100
        assert found.summary[protocol]["k3"]["seeds"] == 2
    assert ClusterStore(tmp_path / "clusters.h5").ids == sets[0].ids[8:]
    retrieved = retrieval_scores(pooled, *sets, changed(SAMPLE.retrieve, kept_classes=["dog"]))
    perfect = {"miou": 100, "accuracy": 100}
    assert retrieved.summary == {"retrieve": {"all_classes": perfect, "one_classes": perfect}}


def test_features_that_say_nothing_about_the_class_paint_one_class(
    sets: tuple[Packed, EmbeddingStore, Packed], tmp_path: Path
):
    pooled = np.zeros((12, 3), dtype=np.float32)
    pooled[:, 0] = 1
    found = retrieval_scores(pooled, *sets, changed(SAMPLE.retrieve, kept_classes=[]))
    # Every object is the nearest's, a cat: background 100, cat 50 %, dog 0.
    assert found.summary["retrieve"]["all_classes"]["miou"] == pytest.approx(50)
    assert iou_table([found], CLASSES).iou.tolist() == [100, 50, 0]


def test_the_table_names_protocol_clusters_and_seed():
    perfect = np.diag([4, 3, 2])
    confusions = {"last": perfect, "best_on_val": perfect}
    found = linear_scores([Probe(seed, confusions, History(), History()) for seed in (5, 6)])
    assert found.summary["linear"]["last"]["miou_mean"] == 100
    table = iou_table([found], CLASSES)
    assert table.columns.tolist() == ["protocol", "clusters", "seed", "class", "iou"]
    assert table.values.tolist()[3] == ["linear", 0, 6, "background", 100]
