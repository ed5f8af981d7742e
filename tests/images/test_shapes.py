"""Silhouettes: area, placement and coverage."""

import numpy as np
import pytest

from pipeline.images.shapes import SHAPES, coverage, posed

SQUARE = np.array([(1.0, 1.0), (5.0, 1.0), (5.0, 4.0), (1.0, 4.0)])


def test_coverage_of_a_rectangle_on_the_pixel_grid_is_one_inside_and_zero_outside():
    cover = coverage([SQUARE], 6, 8)
    assert (cover[1:4, 1:5] > 0.99).all()
    assert cover[:, 6:].sum() == cover[5:].sum() == cover[0, 0] == 0


def test_a_hole_is_not_covered():
    cover = coverage([4 * SQUARE, 4 * np.array([(2.0, 2.0), (4.0, 2.0), (4.0, 3.0), (2.0, 3.0)])], 24, 32)
    assert cover[10, 12] == 0
    assert cover[10, 5] == 1


@pytest.mark.parametrize("name", SHAPES)
def test_posed_outline_has_unit_area_and_is_centred(name):
    rng = np.random.default_rng(0)
    for _ in range(5):
        outline = posed(SHAPES[name](rng), rng)
        assert np.allclose(outline[0].max(axis=0), -outline[0].min(axis=0))
        assert coverage([40 * curve + 60 for curve in outline], 120, 120).sum() == pytest.approx(1600, rel=0.04)


def test_only_the_ring_has_a_hole():
    rng = np.random.default_rng(0)
    assert [name for name, shape in SHAPES.items() if len(shape(rng)) > 1] == ["ring"]
