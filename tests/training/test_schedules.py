import pytest

from pipeline.training.schedules import poly, warmup


def test_poly_gives_the_papers_learning_rates_over_forty_epochs():
    rates = [0.004 * poly(epoch / 40) for epoch in (0, 1, 20, 39)]
    assert rates == pytest.approx([0.004, 0.0039099, 0.0021435, 0.00014461], rel=1e-4)


def test_poly_of_power_one_falls_linearly():
    assert poly(0.25, power=1.0) == 0.75


def test_warmup_rises_linearly_and_stays_at_one():
    assert [warmup(step, 3) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]


def test_warmup_of_no_steps_is_one():
    assert warmup(0, 0) == 1
