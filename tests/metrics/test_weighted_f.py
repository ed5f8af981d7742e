import numpy as np
import pytest

from pipeline.metrics.weighted_f import TAPS, WeightedF


def square(size: int = 21, row: int = 10, column: int = 10, side: int = 1) -> np.ndarray:
    objects = np.zeros((size, size), dtype=bool)
    objects[row : row + side, column : column + side] = True
    return objects


def test_a_perfect_map_has_1_and_a_black_one_0():
    objects = square(side=3)
    score = WeightedF(objects, ~objects)
    assert score(objects.astype(np.float64)) == pytest.approx(1)
    assert score(np.zeros(objects.shape)) == pytest.approx(0)


def test_an_alarm_costs_more_the_farther_it_is_from_the_object():
    # 4 objects are found; an alarm of 0.8 costs 2 - 1/2 at 5 pixels and 2 - 1/4 at 10.
    objects = square(size=31, side=2)
    score = WeightedF(objects, ~objects)
    for distance, cost in ((5, 1.5), (10, 1.75)):
        saliency = objects.astype(np.float64)
        saliency[10, 11 + distance] = 0.8
        assert score(saliency) == pytest.approx(8 / (8 + 0.8 * cost))


def test_a_miss_inside_found_pixels_is_forgiven_in_part():
    # The error of the missed centre is spread over 7x7 pixels, of which the centre keeps the middle tap squared.
    objects = square(side=9)
    saliency = objects.astype(np.float64)
    saliency[14, 14] = 0
    found = 81 - TAPS[3] ** 2
    assert WeightedF(objects, ~objects)(saliency) == pytest.approx(2 * found / (81 + found))


def test_nothing_outside_the_image_was_missed():
    # Of the error around an object in the corner, only a quarter of the 7x7 window lies in the image.
    objects = square(row=0, column=0)
    found = 1 - 0.5 * TAPS[3:].sum() ** 2
    assert WeightedF(objects, ~objects)(0.5 * objects) == pytest.approx(2 * found / (1 + found))


def test_ignored_pixels_raise_no_alarm():
    objects = square(side=3)
    background = ~objects
    background[:, 15:] = False
    saliency = np.where(objects, 0.7, 0.2)
    quiet = np.where(background | objects, saliency, 0)
    assert WeightedF(objects, background)(saliency) == WeightedF(objects, ~objects)(quiet)


def test_without_an_object_it_is_0():
    none = np.zeros((5, 6), dtype=bool)
    assert WeightedF(none, ~none)(np.zeros((5, 6))) == 0
