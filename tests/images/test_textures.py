"""Patterns and colours of the sample."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from pipeline.images.textures import CONTRAST, PATTERNS, clutter, scene_colours


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_stay_in_the_unit_range_and_vary(pattern):
    for seed in range(5):
        values = pattern(np.random.default_rng(seed), 40, 56)
        assert values.shape == (40, 56)
        assert 0 <= values.min() < values.max() <= 1


def test_object_colours_stand_apart_from_the_ground():
    for seed in range(20):
        colours = scene_colours(np.random.default_rng(seed), 2)
        assert colours.shape == (3, 2, 3)
        assert 0 <= colours.min() <= colours.max() <= 1
        ground, objects = rgb2lab(colours[0]), rgb2lab(colours[1:]).reshape(-1, 3)
        assert np.linalg.norm(ground[:, None] - objects, axis=-1).min() >= CONTRAST


def test_clutter_is_smaller_than_the_smallest_object():
    covers = [clutter(np.random.default_rng(seed), 60, 80) for seed in range(60)]
    assert max(cover.mean() for cover in covers) < 0.08
    assert np.mean([cover.any() for cover in covers]) > 0.9
