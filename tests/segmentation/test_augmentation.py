import math

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.segmentation.augmentation import AugmentedSquares, about_centre, augment
from pipeline.segmentation.label_batches import LabelledSquares

Coloured = tuple[ImageSet, LabelSet]


@pytest.fixture
def train(coloured: Coloured) -> LabelledSquares:
    return LabelledSquares(*coloured, np.arange(6), 64)


def test_shrinking_surrounds_labels_with_ignored_pixels() -> None:
    labels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    shrunk = about_centre(np.kron(labels, np.ones((2, 2), np.uint8)), 0.0, 0.5, Image.Resampling.NEAREST, 255)
    expected = np.full((8, 8), 255)
    expected[2:6, 2:6] = labels
    assert shrunk.tolist() == expected.tolist()


def test_shrinking_surrounds_images_with_the_mean_colour() -> None:
    white = np.full((8, 8, 3), 255, dtype=np.uint8)
    shrunk = about_centre(white, 0.0, 0.5, Image.Resampling.BILINEAR, (124, 116, 104))
    assert shrunk[0, 0].tolist() == [124, 116, 104]
    assert shrunk[4, 4].tolist() == [255, 255, 255]


def test_a_quarter_turn_is_counter_clockwise_about_the_centre() -> None:
    labels = np.arange(25, dtype=np.uint8).reshape(5, 5)
    turned = about_centre(labels, math.pi / 2, 1.0, Image.Resampling.NEAREST, 255)
    assert turned.tolist() == np.rot90(labels).tolist()


def test_image_and_labels_move_together() -> None:
    labels = np.zeros((40, 60), dtype=np.uint8)
    labels[8:30, 10:35] = 1
    image = np.where(labels[..., None], (250, 250, 250), (0, 0, 0)).astype(np.uint8)
    for seed in range(20):
        moved_image, moved_labels = augment(image, labels, np.random.default_rng(seed))
        bright = moved_image[..., 0] > 190
        assert (bright != (moved_labels == 1)).mean() < 0.03
        assert moved_image.shape == image.shape


def test_a_place_in_training_decides_the_view(train: LabelledSquares) -> None:
    views = AugmentedSquares(train, seed=0)
    pixels, labels = views[(2, 1, 5)]
    assert torch.equal(pixels, views[(2, 1, 5)][0])
    assert not torch.equal(pixels, views[(2, 2, 5)][0])
    assert not torch.equal(pixels, views[(3, 1, 5)][0])
    assert not torch.equal(pixels, AugmentedSquares(train, seed=1)[(2, 1, 5)][0])
    assert pixels.shape == (3, 64, 64)
    assert labels.dtype == torch.uint8


class Shrinking(np.random.Generator):
    """Draws no flip, no rotation, and the smallest scale."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def random(self) -> float:  # type: ignore[override]
        """Above the probability of a flip."""
        return 0.9

    def uniform(self, low: float, high: float) -> float:  # type: ignore[override]
        """No angle, and of scales the smallest."""
        return 0.0 if low == -high else low


def test_outside_is_ignored_or_as_in_the_official_code_black_background() -> None:
    image, labels = np.full((40, 40, 3), 200, dtype=np.uint8), np.full((40, 40), 3, dtype=np.uint8)
    pixels, ignored = augment(image, labels, Shrinking())
    black, background = augment(image, labels, Shrinking(), "background")
    # At scale 0.75 the image covers 30 x 30 of 40 x 40 pixels: 44 % are outside.
    assert np.bincount(ignored.ravel(), minlength=256)[[3, 255]].tolist() == [900, 700]
    assert np.bincount(background.ravel(), minlength=256)[[0, 3]].tolist() == [700, 900]
    assert pixels[0, 0].tolist() == [124, 116, 104]
    assert black[0, 0].tolist() == [0, 0, 0]
    assert np.array_equal(pixels[10:30, 10:30], black[10:30, 10:30])


def test_a_label_map_of_nothing_but_ignored_pixels_stays_so() -> None:
    image, labels = np.zeros((8, 9, 3), dtype=np.uint8), np.full((8, 9), 255, dtype=np.uint8)
    assert (augment(image, labels, np.random.default_rng(0))[1] == 255).all()
