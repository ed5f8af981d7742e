import pytest

from pipeline.metrics.spread import mean_and_std


def test_the_standard_deviation_is_that_of_a_sample():
    # Deviations -2, 0, 2: the squares add up to 8, over n - 1 = 2.
    assert mean_and_std("miou", [1.0, 3.0, 5.0]) == pytest.approx({"miou_mean": 3, "miou_std": 2})


def test_one_value_has_no_spread():
    assert mean_and_std("miou", [7.5]) == {"miou_mean": 7.5, "miou_std": 0}
