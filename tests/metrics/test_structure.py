import numpy as np
import pytest

from pipeline.metrics.structure import quadrants, s_measure

CHECKERED = np.indices((5, 5)).sum(axis=0) % 2 == 0


def counts_of(levels: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Pixels of every quadrant, kind and grey level, one after the other."""
    counts = np.zeros((4, 2, 256), dtype=np.int64)
    np.add.at(counts, (quadrants(objects), objects.astype(int), levels), 1)
    return counts


def test_the_row_and_column_of_the_centroid_belong_above_and_left():
    objects = np.zeros((3, 4), dtype=bool)
    objects[0, 1] = objects[2, 1] = True
    assert quadrants(objects).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3]]


def test_half_a_row_goes_to_the_even_one():
    objects = np.zeros((4, 1), dtype=bool)
    objects[1:3] = True
    assert quadrants(objects).ravel().tolist() == [0, 0, 0, 2]


def test_a_constant_map_has_no_structure_but_some_likeness():
    # Objects are 13 of 25 pixels and in every quadrant; 51 is 0.2, and 0.8 on the background.
    by_object = (13 * 2 * 0.2 / (0.2**2 + 1) + 12 * 2 * 0.8 / (0.8**2 + 1)) / 25
    assert s_measure(counts_of(np.full((5, 5), 51), CHECKERED)) == pytest.approx(by_object / 2)


def test_a_constant_quadrant_of_one_kind_counts_as_1():
    # Of an object in the middle, row and column 2 belong above and left: the last quadrant holds background alone.
    objects = np.zeros((5, 5), dtype=bool)
    objects[2, 2] = True
    alone, noisy = np.where(objects, 204, 51), np.where(objects, 204, 51)
    noisy[4, 4] = 52
    levels = [s_measure(counts_of(level, objects)) for level in (alone, noisy)]
    assert levels[0] - levels[1] == pytest.approx(4 / 25 / 2, abs=1e-3)


def test_two_levels_by_hand():
    # A quadrant has k of its n pixels on objects, y = k / n; the map is 0.8 there and 0.2 elsewhere, x = 0.2 + 0.6 y.
    # With v = y (1 - y) n / (n - 1), the variance of objects, the map's is 0.36 v and the covariance 0.6 v.
    objects = CHECKERED
    levels = np.where(objects, 204, 51)
    regions = []
    for part in range(4):
        y = objects[quadrants(objects) == part].mean()
        x = 0.2 + 0.6 * y
        regions.append(4 * x * y * 0.6 / ((x**2 + y**2) * (0.36 + 1)))
    sizes = np.bincount(quadrants(objects).ravel())
    by_object = 2 * 0.8 / (0.8**2 + 1)
    assert s_measure(counts_of(levels, objects)) == pytest.approx((by_object + sizes @ regions / 25) / 2)


def test_a_perfect_map_has_1_and_its_opposite_0():
    assert s_measure(counts_of(255 * CHECKERED, CHECKERED)) == pytest.approx(1)
    assert s_measure(counts_of(255 * ~CHECKERED, CHECKERED)) == 0


def test_without_an_object_a_dark_map_is_alike_and_with_nothing_else_a_bright_one():
    none, levels = np.zeros((2, 2), dtype=bool), np.full((2, 2), 51)
    assert s_measure(counts_of(levels, none)) == pytest.approx(0.8)
    assert s_measure(counts_of(levels, ~none)) == pytest.approx(0.2)


def test_an_object_in_the_last_corner_leaves_three_quadrants_empty():
    objects = np.zeros((3, 3), dtype=bool)
    objects[2, 2] = True
    levels = np.where(objects, 204, 51)
    # The one quadrant is the whole image: y = 1/9, x = 0.2 + 0.6 / 9; ratios of variances as above.
    x, y = 0.2 + 0.6 / 9, 1 / 9
    by_region = 4 * x * y * 0.6 / ((x**2 + y**2) * 1.36)
    assert s_measure(counts_of(levels, objects)) == pytest.approx((2 * 0.8 / 1.64 + by_region) / 2)
