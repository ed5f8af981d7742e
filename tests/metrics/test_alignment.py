import numpy as np
import pytest

from pipeline.metrics.alignment import e_measure


def counts(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def e_by_pixels(predicted: np.ndarray, objects: np.ndarray) -> float:
    from_mean, truth = predicted - predicted.mean(), objects - objects.mean()
    alignment = 2 * from_mean * truth / (from_mean**2 + truth**2)
    return ((1 + alignment) ** 2 / 4).sum() / (objects.size - 1)


def test_four_pixels_by_hand():
    # One object pixel, found together with one of three background pixels. Means are 1/2 and 1/4, so that xi is
    # 12/13 on the hit, -4/5 on the alarm and 4/5 on the other two.
    expected = ((25 / 13) ** 2 + 0.2**2 + 2 * 1.8**2) / 4 / 3
    assert e_measure(counts(1, 1), counts(3, 1))[1] == pytest.approx(expected)


def test_four_counts_say_as_much_as_all_pixels():
    rng = np.random.default_rng(0)
    objects = rng.random((11, 7)) < 0.4
    levels = rng.integers(0, 4, objects.shape)
    above = [levels >= t for t in range(4)]
    found = e_measure(counts(*((p & objects).sum() for p in above)), counts(*((p & ~objects).sum() for p in above)))
    assert found == pytest.approx([e_by_pixels(p, objects) for p in above])


def test_a_map_without_contrast_has_a_quarter_and_an_opposite_map_nothing():
    assert e_measure(counts(2, 0, 0), counts(3, 0, 3)) == pytest.approx([1.25 / 4, 1.25 / 4, 0])


def test_without_an_object_the_background_counts_and_with_nothing_else_the_object():
    assert e_measure(counts(0, 0, 0), counts(5, 2, 0)).tolist() == [0, 3 / 4, 5 / 4]
    assert e_measure(counts(5, 2, 0), counts(0, 0, 0)).tolist() == [5 / 4, 2 / 4, 0]


def test_one_pixel_divides_by_no_zero():
    assert e_measure(counts(1, 0), counts(0, 0)).tolist() == [1, 0]
