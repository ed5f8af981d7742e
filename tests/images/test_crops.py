from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torchvision.transforms import functional

from pipeline.images.crops import Box, draw_box, resized_image, resized_mask


def cropped(pixels: np.ndarray, box: Box, size: int, how: str) -> np.ndarray:
    """The crop as torchvision makes it."""
    image: Any = Image.fromarray(pixels)
    return np.asarray(functional.resized_crop(image, *box, [size, size], functional.InterpolationMode(how)))


@pytest.mark.parametrize("box", [Box(7, 11, 41, 53), Box(30, 100, 270, 203), Box(0, 0, 300, 451)])
@pytest.mark.parametrize("size", [32, 45, 224])
def test_exact_is_torchvisions_resized_crop_and_fast_at_most_a_level_off(box: Box, size: int):
    image = data.chelsea()
    expected = torch.from_numpy(cropped(image, box, size, "bilinear").copy())
    assert resized_image(image[box.slices], size, "exact").equal(expected)
    difference = (resized_image(image[box.slices], size, "fast").int() - expected.int()).abs()
    assert difference.max() <= 1 and difference.float().mean() < 0.25


@pytest.mark.parametrize("size", [32, 45, 100])
def test_mask_is_torchvisions_nearest_resized_crop(size: int):
    mask = np.random.default_rng(0).random((60, 80)) < 0.5
    box = Box(7, 11, 41, 53)
    assert np.array_equal(resized_mask(mask[box.slices], size), cropped(mask, box, size, "nearest"))


@pytest.mark.parametrize("transforms", ["fast", "exact"])
def test_an_image_that_may_not_be_written_to_is_left_alone(transforms: Literal["fast", "exact"]):
    image = data.chelsea()
    before = image.copy()
    image.flags.writeable = False
    resized_image(image, 300, transforms).zero_()
    assert np.array_equal(image, before)


@pytest.mark.parametrize("height, width", [(60, 80), (64, 48), (1, 1), (33, 100)])
def test_boxes_lie_inside_with_area_and_aspect_in_range(height: int, width: int):
    rng = np.random.default_rng(0)
    for _ in range(300):
        box = draw_box(height, width, 0.2, rng)
        assert 0 <= box.top <= height - box.height and 0 <= box.left <= width - box.width
        if height * width > 1:  # sides are rounded to whole pixels
            assert 0.75 * 0.95 < box.width / box.height < 4 / 3 * 1.05
            assert 0.2 * 0.95 < box.height * box.width / (height * width) <= 1


def test_boxes_reach_the_smallest_and_nearly_the_largest_area():
    rng = np.random.default_rng(0)
    areas = [box.height * box.width / 4800 for box in (draw_box(60, 80, 0.2, rng) for _ in range(500))]
    assert min(areas) < 0.22 and max(areas) > 0.9


@pytest.mark.parametrize("shape, box", [((12, 400), (0, 192, 12, 16)), ((400, 12), (192, 0, 16, 12))])
def test_very_long_image_falls_back_to_its_largest_central_crop(shape: tuple[int, int], box: tuple[int, ...]):
    assert draw_box(*shape, 0.9, np.random.default_rng(0)) == box
