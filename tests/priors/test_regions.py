import itertools

import numpy as np

from pipeline.priors.regions import Regions, holds_square, merge_small, nested_regions
from pipeline.priors.superpixels import consecutive

LEFT_AND_RIGHT = np.array([[0, 0, 1, 2], [0, 0, 1, 2], [0, 0, 1, 2]])
GREY = np.array([[10.0, 10, 40, 90]] * 3)[..., None].repeat(3, axis=-1)


def merged(labels: np.ndarray, colours: np.ndarray, side: int) -> np.ndarray:
    regions = Regions(labels, colours)
    merge_small(regions, side)
    return consecutive(regions.labels)


def test_a_square_fits_where_all_its_pixels_are_of_one_region() -> None:
    assert holds_square(LEFT_AND_RIGHT, 1).tolist() == [True, True, True]
    assert holds_square(LEFT_AND_RIGHT, 2).tolist() == [True, False, False]
    assert holds_square(LEFT_AND_RIGHT, 3).tolist() == [False, False, False]


def test_squares_agree_with_a_search_over_all_places() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (6, 7)).repeat(3, axis=0).repeat(4, axis=1)
    for side in range(1, 12):
        windows = np.lib.stride_tricks.sliding_window_view(labels, (side, side)).reshape(-1, side * side)
        uniform = windows[(windows == windows[:, :1]).all(axis=1), 0]
        assert holds_square(labels, side).tolist() == [label in uniform for label in range(3)]


def test_a_small_region_joins_the_neighbour_of_nearest_colour() -> None:
    # Grey 40 and 90 are too small; 40 is nearer to 10 than to 90, which then has one neighbour left.
    assert not merged(LEFT_AND_RIGHT, GREY, 2).any()
    # With a narrower step from 40 to 90 the two make a region of their own.
    nearer = np.where(GREY == 40, 70, GREY)
    assert merged(LEFT_AND_RIGHT, nearer, 2).tolist() == [[0, 0, 1, 1]] * 3


def test_regions_that_are_large_enough_stay() -> None:
    labels = np.array([[0, 1], [2, 3]]).repeat(4, axis=0).repeat(4, axis=1)
    colours = np.zeros((8, 8, 3))
    assert (merged(labels, colours, 4) == labels).all()


def test_an_image_smaller_than_the_square_becomes_one_region() -> None:
    assert not merged(LEFT_AND_RIGHT, GREY, 5).any()


def test_merging_adds_area_and_neighbours_and_averages_the_colour() -> None:
    regions = Regions(LEFT_AND_RIGHT, GREY)
    regions.merge(1, 2)
    assert regions.area == [6, 0, 6]
    assert regions.colour[2] == [65.0] * 3
    assert regions.neighbours[0] == {2}
    assert regions.neighbours[2] == {0}
    assert (regions.labels[:, 2:] == 2).all()
    assert regions.holds_square(2, 2)
    assert not regions.holds_square(2, 3)


def test_layers_are_nested_and_their_regions_hold_the_squares() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8).repeat(5, axis=0).repeat(5, axis=1)
    layers = nested_regions(image, 1.0, [3, 6, 12])
    for labels, side in zip(layers, (3, 6, 12), strict=True):
        assert holds_square(labels, side).all()
    for fine, coarse in itertools.pairwise(layers):
        assert all(len(np.unique(coarse[fine == label])) == 1 for label in range(fine.max() + 1))
    assert len(np.unique(layers[0])) > len(np.unique(layers[2]))
