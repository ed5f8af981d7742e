from pathlib import Path

import numpy as np
import pytest

from pipeline.mask_store import MaskStore, write_masks
from pipeline.masks.cleanup import (
    area_fractions,
    area_histogram,
    clean_mask,
    components,
    large_objects,
    without_small_components,
    without_small_contours,
)
from tests.masks.settings import settings


def mask_of(picture: str) -> np.ndarray:
    return np.array([[character == "#" for character in row] for row in picture.split()])


def test_pixels_that_touch_at_a_corner_are_one_component():
    picture = mask_of("#... .#.. .... ...#")
    np.testing.assert_array_equal(without_small_components(picture, 2 / 16), mask_of("#... .#.. .... ...."))


def test_a_component_of_exactly_the_least_area_stays():
    mask = np.zeros((10, 10), dtype=bool)
    mask[0, :7] = mask[9, :6] = True
    kept = without_small_components(mask, 0.07)
    assert kept[0].sum() == 7
    assert kept[9].sum() == 0


def test_components_keep_their_holes():
    ring = np.ones((20, 20), dtype=bool)
    ring[10, 10] = False
    np.testing.assert_array_equal(without_small_components(ring, 0.01), ring)


def test_a_small_hole_takes_a_ring_of_the_object_with_it_in_mode_contours():
    # A 4x4 hole: the contour around it runs over the 16 object pixels that share a side with it.
    mask = np.ones((100, 100), dtype=bool)
    mask[40:44, 50:54] = False
    cleaned = without_small_contours(mask, 0.01)
    assert mask.sum() - cleaned.sum() == 16
    lost = np.argwhere(mask & ~cleaned)
    assert lost.min(axis=0).tolist() == [39, 49]
    assert lost.max(axis=0).tolist() == [44, 54]
    assert cleaned[39, 49]


def test_a_large_hole_stays_as_it_is_in_mode_contours():
    mask = np.ones((100, 100), dtype=bool)
    mask[40:55, 50:65] = False
    np.testing.assert_array_equal(without_small_contours(mask, 0.01), mask)


def test_contours_are_judged_by_their_filled_area():
    # A ring of 12 pixels encloses 16 with itself, and its hole of 4 takes 8 of the ring: all but the corners.
    ring, corners = mask_of("#### #..# #..# ####"), mask_of("#..# .... .... #..#")
    np.testing.assert_array_equal(without_small_contours(np.pad(ring, 3), 0.12), np.pad(ring, 3))
    np.testing.assert_array_equal(without_small_contours(np.pad(ring, 3), 0.13), np.pad(corners, 3))
    assert without_small_contours(np.pad(ring, 3), 0.17).sum() == 0


def test_an_island_inside_a_small_hole_goes_with_the_hole():
    mask = np.ones((40, 40), dtype=bool)
    mask[10:15, 10:15] = False
    mask[12, 12] = True
    assert not without_small_contours(mask, 0.05)[9:16, 10:15].any()


def test_a_ring_closed_only_by_corners_encloses_its_hole():
    diamond = mask_of("....... ...#... ..#.#.. .#...#. ..#.#.. ...#... .......")
    np.testing.assert_array_equal(without_small_contours(diamond, 13 / 49), diamond)
    assert without_small_contours(diamond, 14 / 49).sum() == 0


def test_a_bay_at_the_image_border_is_no_hole():
    mask = np.ones((30, 30), dtype=bool)
    mask[0:2, 10:12] = False
    np.testing.assert_array_equal(without_small_contours(mask, 0.05), mask)


@pytest.mark.parametrize("mode", ["components", "contours"])
@pytest.mark.parametrize("value", [False, True])
def test_constant_masks_stay_as_they_are(mode: str, value: bool):
    mask = np.full((7, 9), value)
    np.testing.assert_array_equal(clean_mask(mask, settings(mode=mode)), mask)


def test_the_mode_decides_about_holes():
    mask = np.ones((40, 40), dtype=bool)
    mask[10:12, 10:12] = False
    assert clean_mask(mask, settings(mode="components")).sum() == 1596
    assert clean_mask(mask, settings(mode="contours")).sum() == 1588


def test_components_are_numbered_in_raster_order():
    assert components(mask_of("..#. ##.# ...#")).tolist() == [[0, 0, 1, 0], [1, 1, 0, 1], [0, 0, 0, 1]]
    assert components(mask_of("#..# ....  ####")).tolist() == [[1, 0, 0, 2], [0, 0, 0, 0], [3, 3, 3, 3]]


def test_large_objects_keep_their_numbers():
    objects = np.array([[1, 2, 2, 4], [0, 2, 4, 4]])
    assert large_objects(objects, 3 / 8).tolist() == [[0, 2, 2, 4], [0, 2, 4, 4]]
    assert large_objects(objects, 4 / 8).sum() == 0


def test_areas_are_fractions_of_their_image(tmp_path: Path):
    masks = [np.eye(4, dtype=bool), np.zeros((2, 3), dtype=bool)]
    write_masks(tmp_path / "masks.h5", ["a", "b"], np.array([(4, 4), (2, 3)]), masks)
    assert area_fractions(MaskStore(tmp_path / "masks.h5")).tolist() == [0.25, 0]


def test_the_histogram_counts_every_mask_once():
    rows = area_histogram(np.array([0.0, 0.24, 0.25, 1.0]), bins=4).rows
    assert [row["images"] for row in rows] == [2, 1, 0, 1]
    assert [row["area_from"] for row in rows] == [0, 0.25, 0.5, 0.75]
