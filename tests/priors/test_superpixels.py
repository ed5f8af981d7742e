import numpy as np
import pytest

from pipeline.priors.superpixels import (
    adjacency,
    consecutive,
    paint,
    region_means,
    segment,
    touches_border,
    two_ring,
    unit_range,
)

QUARTERS = np.array([[0, 0, 1], [0, 0, 1], [2, 2, 3]])


def links(linked: np.ndarray) -> set[tuple[int, int]]:
    """The links as pairs, after checking that they run both ways and to no region itself."""
    assert (linked == linked.T).all()
    assert not linked.diagonal().any()
    return {(int(i), int(j)) for i, j in np.argwhere(np.triu(linked))}


def test_regions_that_share_a_pixel_edge_are_adjacent() -> None:
    assert links(adjacency(QUARTERS)) == {(0, 1), (0, 2), (1, 3), (2, 3)}


def test_diagonal_adjacency_adds_regions_that_meet_at_a_corner() -> None:
    assert links(adjacency(QUARTERS, diagonal=True)) == {(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (1, 2)}


def test_a_single_region_is_adjacent_to_nothing() -> None:
    assert links(adjacency(np.zeros((3, 4), dtype=np.int64), diagonal=True)) == set()


def test_two_ring_of_a_chain_reaches_two_steps_and_no_further() -> None:
    chain = adjacency(np.array([[0, 1, 2, 3]]))
    assert links(two_ring(chain)) == {(0, 1), (1, 2), (2, 3), (0, 2), (1, 3)}


@pytest.mark.parametrize(("band", "expected"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (9, [0, 1, 2])])
def test_border_band_of_nested_squares_is_as_deep_as_asked(band: int, expected: list[int]) -> None:
    rows, columns = np.mgrid[:5, :5]
    rings = np.minimum.reduce([rows, columns, 4 - rows, 4 - columns])
    assert np.flatnonzero(touches_border(rings, band)).tolist() == expected


def test_region_means_average_every_channel() -> None:
    labels = np.array([[0, 1], [1, 1]])
    values = np.array([[[4.0, 1.0], [0.0, 0.0]], [[3.0, 6.0], [6.0, 0.0]]])
    np.testing.assert_allclose(region_means(labels, values), [[4, 1], [3, 2]])


def test_consecutive_closes_gaps_and_keeps_the_order() -> None:
    assert consecutive(np.array([[5, 5], [9, 2]])).tolist() == [[1, 1], [2, 0]]


def test_unit_range_scales_to_zero_and_one() -> None:
    assert unit_range(np.array([2.0, 4.0, 6.0])).tolist() == [0, 0.5, 1]


def test_unit_range_takes_rounding_for_no_difference() -> None:
    assert unit_range(np.array([0.3, 0.1 + 0.2, 0.3])).tolist() == [0, 0, 0]


def test_paint_gives_every_pixel_the_value_of_its_region() -> None:
    assert paint(np.array([[1, 0], [0, 1]]), np.array([0.25, 1.0])).tolist() == [[1, 0.25], [0.25, 1]]


def test_segment_finds_halves_with_the_lab_colour_and_centre_of_each() -> None:
    image = np.zeros((20, 40, 3), dtype=np.uint8)
    image[:, 20:] = 255
    regions = segment(image, 2, compactness=20.0)
    assert regions.labels[:, :20].max() == 0
    assert regions.labels[:, 20:].min() == 1
    np.testing.assert_allclose(regions.colours, [[0, 0, 0], [100, 0, 0]], atol=0.02)
    np.testing.assert_allclose(regions.positions, [[0.5, 0.25], [0.5, 0.75]])


def test_segment_mixes_colours_as_rgb_before_lab() -> None:
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    image[::2] = 255
    # Grey 0.5 is luminance ((0.5 + 0.055) / 1.055)^2.4 = 0.214, so L = 116 * 0.214^(1/3) - 16 = 53.4; the mean L is 50.
    np.testing.assert_allclose(segment(image, 1, compactness=20.0).colours, [[53.4, 0, 0]], atol=0.05)


def test_noise_of_a_flat_image_does_not_shape_its_superpixels() -> None:
    flat = np.full((60, 80, 3), 120, dtype=np.uint8)
    noisy = flat + np.random.default_rng(0).integers(0, 2, flat.shape, dtype=np.uint8)
    same = segment(flat, 40, 20.0).labels == segment(noisy, 40, 20.0).labels
    assert same.mean() > 0.95


def test_regions_of_one_colour_have_exactly_one_colour() -> None:
    regions = segment(np.full((31, 33, 3), (201, 30, 77), dtype=np.uint8), 12, 20.0)
    assert len(regions.colours) > 1
    assert np.ptp(regions.colours, axis=0).tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (500, 3), (3, 3)])
def test_every_superpixel_of_a_tiny_or_thin_image_has_pixels(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    regions = segment(image, 250, 20.0)
    assert np.bincount(regions.labels.ravel()).min() > 0
    assert np.isfinite(regions.colours).all()
