import numpy as np
import pytest

from pipeline.metrics.bootstrap import Difference, paired_bootstrap


def test_two_images_draw_one_of_three_means():
    # Differences are 0 and 1; the mean of two draws is 0 or 1 in a quarter of all cases each.
    assert paired_bootstrap([1.0, 5.0], [1.0, 4.0], seed=0, draws=500) == Difference(0.5, 0.0, 1.0)


def test_what_all_images_share_leaves_no_doubt():
    assert paired_bootstrap([3.0, 5.0, 9.0], [1.0, 3.0, 7.0], seed=0, draws=50) == Difference(2.0, 2.0, 2.0)


def test_the_interval_is_that_of_a_normal_mean():
    rng = np.random.default_rng(0)
    base = rng.normal(0, 10, 400)  # what pairs share, however large, drops out
    differences = rng.normal(0.3, 1, 400)
    found = paired_bootstrap(list(base + differences), list(base), seed=1, draws=4000)
    half = 1.96 * differences.std() / 20
    assert found == pytest.approx((differences.mean(), differences.mean() - half, differences.mean() + half), abs=0.01)


def test_the_seed_decides():
    a, b = list(np.arange(20.0) ** 2), [0.0] * 20
    assert paired_bootstrap(a, b, seed=3, draws=40) == paired_bootstrap(a, b, seed=3, draws=40)
    assert paired_bootstrap(a, b, seed=3, draws=40) != paired_bootstrap(a, b, seed=4, draws=40)


def test_unpaired_scores_are_refused():
    with pytest.raises(ValueError, match="3 scores cannot be paired with 1"):
        paired_bootstrap([1.0, 2.0, 3.0], [1.0], seed=0, draws=10)
