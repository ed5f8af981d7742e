import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.segmentation.label_fractions import draw_fraction

TRAINAUG = np.arange(10582)


@pytest.mark.parametrize(("fraction", "images"), [(0.01, 106), (0.02, 212), (0.05, 529), (0.125, 1323), (1.0, 10582)])
def test_fractions_of_the_paper_give_the_papers_counts(fraction: float, images: int) -> None:
    assert len(draw_fraction(TRAINAUG, fraction, 0, 0)) == images


def test_smaller_fraction_lies_inside_the_larger_one_of_its_split() -> None:
    small, middle, large = (set(draw_fraction(TRAINAUG, fraction, 0, 1)) for fraction in (0.01, 0.02, 0.05))
    assert small < middle < large


def test_splits_and_seeds_draw_other_images_but_always_the_same_ones() -> None:
    first = draw_fraction(TRAINAUG, 0.01, 0, 0)
    assert not np.array_equal(first, draw_fraction(TRAINAUG, 0.01, 0, 1))
    assert not np.array_equal(first, draw_fraction(TRAINAUG, 0.01, 1, 0))
    assert np.array_equal(first, draw_fraction(TRAINAUG, 0.01, 0, 0))


def test_drawn_images_are_members_ascending_and_once_each() -> None:
    indices = np.arange(100, 160)
    drawn = draw_fraction(indices, 0.5, 0, 0)
    assert len(drawn) == 30
    assert (np.diff(drawn) > 0).all()
    assert np.isin(drawn, indices).all()


def test_whole_split_is_the_split() -> None:
    assert np.array_equal(draw_fraction(np.arange(7), 1.0, 3, 2), np.arange(7))


def test_at_least_one_image_is_labelled() -> None:
    assert len(draw_fraction(np.arange(20), 0.01, 0, 0)) == 1


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.5])
def test_fraction_outside_its_range_is_refused(fraction: float) -> None:
    with pytest.raises(InputError, match=f"fraction is {fraction}"):
        draw_fraction(TRAINAUG, fraction, 0, 0)


def test_no_images_are_refused() -> None:
    with pytest.raises(InputError, match="no image"):
        draw_fraction(np.arange(0), 0.5, 0, 0)
