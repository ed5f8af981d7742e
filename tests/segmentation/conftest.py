"""A labelled toy set whose colours are its classes."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.images.codecs import encode_png
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.packed import write_packed

COLOURS = np.array([(40, 50, 70), (220, 60, 40), (60, 200, 80)])


def halves(i: int) -> np.ndarray:
    """Label map of image i, 48 x 64: one class in its left 26 + i columns and another one in the rest."""
    labels = np.full((48, 64), i % 3, dtype=np.uint8)
    labels[:, 26 + i :] = (i + 1 + i // 3 % 2) % 3
    return labels


@pytest.fixture
def coloured(tmp_path: Path) -> tuple[ImageSet, LabelSet]:
    """9 images of 48 x 64: `train` (the first 6), `val` (the next 2, the top rows' labels ignored), `bare` (the last).

    The last image has no label map.
    """
    ids = [f"img_{i}" for i in range(9)]
    rng = np.random.default_rng(0)
    labels = [halves(i) for i in range(9)]
    pixels = [(COLOURS[truth] + rng.integers(0, 20, (48, 64, 3))).astype(np.uint8) for truth in labels]
    for truth in labels[6:]:
        truth[:4] = 255
    images_path, labels_path = tmp_path / "coloured.h5", tmp_path / "coloured_labels.h5"
    write_packed(
        images_path,
        ((image_id, encode_png(image)) for image_id, image in zip(ids, pixels, strict=True)),
        "images",
        splits={"train": ids[:6], "val": ids[6:8], "bare": ids[7:], "none": []},
    )
    write_packed(
        labels_path,
        ((image_id, encode_png(truth)) for image_id, truth in zip(ids[:8], labels, strict=False)),
        "labels",
        metadata={"classes": ["blue", "red", "green"]},
    )
    return ImageSet(images_path), LabelSet(labels_path)
