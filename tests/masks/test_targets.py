from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.images.codecs import encode_png
from pipeline.images.datasets import ImageSet, ObjectSet
from pipeline.masks.targets import open_targets
from pipeline.packed import write_packed
from tests.conftest import disc
from tests.masks.test_training import settings

SUPERVISED = settings(targets_from="labels/proposal")


def disc_labels(path: Path, count: int) -> Path:
    """Label maps of the first images: class 1 or 2 on the disc, ignored in the first row."""
    labels = [np.where(disc(i), 1 + i % 2, 0).astype(np.uint8) for i in range(count)]
    for each in labels:
        each[0] = 255
    write_packed(path, [(f"img_{i:02d}", encode_png(each)) for i, each in enumerate(labels)], "labels")
    return path


def test_every_class_but_background_and_ignored_is_an_object(disc_images: Path, tmp_path: Path):
    objects = open_targets(disc_labels(tmp_path / "labels.h5", 12), ImageSet(disc_images), SUPERVISED)
    assert isinstance(objects, ObjectSet)
    for i in (0, 1):
        np.testing.assert_array_equal(objects.map(i), disc(i).astype(np.float32))


def test_pseudolabels_are_read_as_they_are(disc_images: Path, disc_maps: Path):
    maps = open_targets(disc_maps, ImageSet(disc_images), settings())
    np.testing.assert_allclose(maps.map(3), np.where(disc(3), 0.9, 0.1), atol=1 / 255)


def test_labels_are_refused_as_pseudolabels(disc_images: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"labels.h5 holds labels, not maps"):
        open_targets(disc_labels(tmp_path / "labels.h5", 12), ImageSet(disc_images), settings())


def test_an_image_without_a_label_map_is_refused_with_the_counts(disc_images: Path, tmp_path: Path):
    message = (
        r"labels.h5 has label maps of 7 of the 12 images of .*images.h5, and targets_from labels/proposal needs all"
    )
    with pytest.raises(InputError, match=message):
        open_targets(disc_labels(tmp_path / "labels.h5", 7), ImageSet(disc_images), SUPERVISED)
