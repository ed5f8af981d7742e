from pathlib import Path

import numpy as np

from pipeline.embedding_store import EmbeddingStore, write_embeddings
from pipeline.images.codecs import encode_png
from pipeline.metrics.confusion import Confusion
from pipeline.packed import Packed, write_packed
from pipeline.segmentation.region_counts import count_foregrounds, count_image, painted_rows, region_confusion


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


def test_foregrounds_are_counted_at_the_size_of_the_label_maps(tmp_path: Path):
    saliency = np.zeros((2, 4, 4), dtype=np.uint8)
    saliency[0, :, :2] = 200
    write_embeddings(
        tmp_path / "e.h5", ["a", "b"], saliency, {"start": np.eye(2, dtype=np.float32)}, 4, {"threshold": 0.5}
    )
    label_map = np.zeros((8, 6), dtype=np.uint8)
    label_map[:, :3] = 1
    entries = [(image_id, encode_png(label_map)) for image_id in "ab"]
    write_packed(tmp_path / "l.h5", entries, "labels", metadata={"classes": ["background", "cat"]})
    counts = count_foregrounds(
        EmbeddingStore(tmp_path / "e.h5"), Packed(tmp_path / "l.h5", "labels"), ["a", "b"], "val"
    )
    assert counts.tolist() == [[[24, 0], [0, 24]], [[24, 24], [0, 0]]]
