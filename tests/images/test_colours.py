from collections import Counter

import numpy as np
import pytest

from pipeline.images.colours import OPERATIONS, draw_colours
from pipeline.params import Jitter
from tests.images.augmentation import MOCO, SIMCLR, jitter


def steps(strength: Jitter, seed: int = 0) -> list[tuple[str, float]]:
    """What is drawn, without the steps that do nothing."""
    colours = draw_colours(strength, np.random.default_rng(seed))
    pairs = zip(colours.operations.tolist(), colours.amounts.tolist(), strict=True)
    return [(OPERATIONS[operation], amount) for operation, amount in pairs if operation]


def test_jitter_comes_in_every_order_and_before_grey_and_blur():
    always = SIMCLR.model_copy(update={"probability": 1.0, "grey_probability": 1.0, "blur_probability": 1.0})
    orders = set()
    for seed in range(300):
        names = [name for name, _ in steps(always, seed)]
        assert names[4:] == ["saturation", "blur"] and steps(always, seed)[4][1] == 0
        orders.add(tuple(names[:4]))
    assert len(orders) == 24


def test_each_part_comes_with_its_own_probability():
    counts = Counter()
    for seed in range(1000):
        drawn = steps(SIMCLR, seed)
        counts.update({name for name, _ in drawn} | ({"grey"} if ("saturation", 0.0) in drawn else set()))
    # Four standard deviations of a thousand draws are at most 0.063.
    for name, share in (("hue", 0.8), ("grey", 0.2), ("blur", 0.5)):
        assert counts[name] / 1000 == pytest.approx(share, abs=0.063)


def test_amounts_fill_the_ranges_of_their_strengths():
    drawn = [step for seed in range(1000) for step in steps(SIMCLR, seed) if step != ("saturation", 0.0)]
    factors = dict.fromkeys(["brightness", "contrast", "saturation"], (0.2, 1.8))
    for name, (low, high) in {**factors, "hue": (-0.2, 0.2), "blur": (0.1, 2.0)}.items():
        amounts = [amount for operation, amount in drawn if operation == name]
        assert low <= min(amounts) and max(amounts) <= np.float32(high)
        assert min(amounts) < low + 0.05 * (high - low) and max(amounts) > high - 0.05 * (high - low)


def test_factors_do_not_fall_below_0():
    assert min(dict(steps(jitter(brightness=3.0), seed))["brightness"] for seed in range(100)) >= 0


def test_no_strength_of_hue_is_no_step():
    assert "hue" not in dict(steps(jitter(brightness=0.4)))
    assert steps(MOCO.model_copy(update={"probability": 0.0, "grey_probability": 0.0})) == []
