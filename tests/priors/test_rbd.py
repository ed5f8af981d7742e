import numpy as np
import pytest

from pipeline.priors.rbd import (
    ColourScales,
    background_contrast,
    boundary_connectivity,
    colour_scales,
    geodesic_distance,
    graph_saliency,
    kernel,
    optimum,
    rbd,
)
from pipeline.priors.superpixels import adjacency
from tests.profiles import SAMPLE, changed

SETTINGS = changed(SAMPLE.compute_priors.rbd, superpixels=80)
CHAIN = adjacency(np.array([[0, 1, 2]]))


def pairwise(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


def grid(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Adjacency, border and position distances of size x size superpixels numbered row by row."""
    rows, columns = (index.ravel() for index in np.mgrid[:size, :size])
    border = (rows % (size - 1) == 0) | (columns % (size - 1) == 0)
    positions = (np.stack([rows, columns], axis=1) + 0.5) / size
    return adjacency(np.arange(size * size).reshape(size, size)), border, pairwise(positions)


def test_kernel_is_gaussian_up_to_three_sigma_and_zero_beyond() -> None:
    distances = np.array([[0.0, 2.0], [6.0, 6.001]])
    np.testing.assert_allclose(kernel(distances, 2.0), [[1, np.exp(-0.5)], [np.exp(-4.5), 0]])


def test_kernel_without_width_tells_equal_from_different() -> None:
    assert kernel(np.array([[0.0, 0.1]]).repeat(2, axis=0), 0.0).tolist() == [[1, 0], [1, 0]]


def test_colour_scales_of_a_chain() -> None:
    distance = np.array([[0.0, 4, 2], [4, 0, 10], [2, 10, 0]])
    scales = colour_scales(distance, CHAIN, ~np.eye(3, dtype=bool))
    # Nearest neighbours are 4, 4, 10 away, within two rings 2, 4, 2; the farthest 1 % of the two edges is the 10.
    assert scales.clip == pytest.approx(8 / 3)
    assert scales.geodesic_sigma == 5  # min(10, 3 * 6, 10 / 10), but at least 5
    assert scales.neighbour_sigma == 2  # min(3 * 6, 0.2 * 10, 20)


def test_geodesic_distance_adds_what_each_step_exceeds_the_clip_by() -> None:
    distance = np.array([[0.0, 4, 9], [4, 0, 10], [9, 10, 0]])
    geodesic = geodesic_distance(distance, CHAIN, ColourScales(3.0, 5.0, 1.0))
    np.testing.assert_allclose(geodesic, [[0, 1, 8], [1, 0, 7], [8, 7, 0]])


def test_geodesic_distance_crosses_steps_below_the_clip_for_nothing() -> None:
    geodesic = geodesic_distance(np.full((3, 3), 2.0), CHAIN, ColourScales(3.0, 5.0, 1.0))
    np.testing.assert_allclose(geodesic, np.zeros((3, 3)), atol=1e-9)


def test_geodesic_distance_ends_where_the_kernel_is_zero() -> None:
    distance = np.array([[0.0, 14, 0], [14, 0, 14], [0, 14, 0]])
    geodesic = geodesic_distance(distance, CHAIN, ColourScales(0.0, 5.0, 1.0))
    np.testing.assert_allclose(geodesic, [[0, 14, np.inf], [14, 0, 14], [np.inf, 14, 0]])


def test_boundary_connectivity_of_four_regions() -> None:
    # 0 and 1 are one background along the border, 2 an object inside, 3 an object cut by the border.
    geodesic = np.full((4, 4), np.inf)
    geodesic[0, 1] = geodesic[1, 0] = 0
    np.fill_diagonal(geodesic, 0)
    connectivity = boundary_connectivity(geodesic, np.array([True, True, False, True]), 7.0)
    np.testing.assert_allclose(connectivity, [np.sqrt(2), np.sqrt(2), 0, 1])


def test_a_half_connected_region_counts_by_the_kernel() -> None:
    half = np.sqrt(2 * np.log(2)) * 7.0  # where the kernel is one half
    geodesic = np.array([[0, half], [half, 0]])
    connectivity = boundary_connectivity(geodesic, np.array([True, False]), 7.0)
    np.testing.assert_allclose(connectivity, [1 / np.sqrt(1.5), 0.5 / np.sqrt(1.5)])


def test_contrast_counts_background_only_and_cuts_below_otsu() -> None:
    colour = pairwise(np.array([[0.0], [0.0], [50.0], [60.0]]))
    contrast = background_contrast(colour, np.zeros((4, 4)), np.array([1.0, 1.0, 0.0, 0.0]), 0.4)
    np.testing.assert_allclose(contrast, [0, 0, 100 / 120, 1])


def test_contrast_to_far_background_counts_less() -> None:
    colour = np.array([[0.0, 30, 30], [30, 0, 0], [30, 0, 0]])
    position = np.array([[0, 0.1, 0.3], [0.1, 0, 0.2], [0.3, 0.2, 0]])
    contrast = background_contrast(colour, position, np.array([1.0, 0.0, 0.0]), 0.4)
    np.testing.assert_allclose(contrast, [0, 1, np.exp((0.1**2 - 0.3**2) / 0.32)])


def test_optimum_of_two_regions() -> None:
    # s0^2 + (s1 - 1)^2 + (s0 - s1)^2 is least where 2 s0 = s1 and 2 s1 = s0 + 1; a weight to oneself means nothing.
    weights = np.array([[9.0, 1.0], [1.0, 9.0]])
    np.testing.assert_allclose(optimum(weights, np.array([1.0, 0.0]), np.array([0.0, 1.0])), [1 / 3, 2 / 3])


def test_the_odd_region_in_the_middle_is_salient_and_the_rest_is_not() -> None:
    linked, border, position = grid(5)
    colours = np.zeros((25, 1))
    colours[12] = 60
    saliency = graph_saliency(pairwise(colours), position, linked, border, SETTINGS)
    assert saliency[12] == 1
    assert np.delete(saliency, 12).max() < 0.05


def test_an_object_cut_by_the_border_is_less_salient_than_one_inside() -> None:
    linked, border, position = grid(7)
    colours = np.zeros((49, 2))
    inside, cut = [16, 17, 23, 24], [35, 36, 42, 43]
    colours[inside], colours[cut] = (60, 0), (0, 60)
    saliency = graph_saliency(pairwise(colours), position, linked, border, SETTINGS)
    assert saliency[inside].min() > 0.9
    assert saliency[cut].max() < 0.5


def test_saliency_does_not_depend_on_the_numbering() -> None:
    linked, border, position = grid(5)
    rng = np.random.default_rng(0)
    colour = pairwise(rng.normal(0, 20, (25, 3)))
    order = rng.permutation(25)
    shuffled = np.ix_(order, order)
    expected = graph_saliency(colour, position, linked, border, SETTINGS)[order]
    found = graph_saliency(colour[shuffled], position[shuffled], linked[shuffled], border[order], SETTINGS)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def scene(colour: tuple[int, int, int], shape: tuple[int, int] = (64, 80)) -> tuple[np.ndarray, np.ndarray]:
    """A square on a noisy grey ground, and its mask."""
    mask = np.zeros(shape, dtype=bool)
    mask[20:44, 30:54] = True
    ground = 110 + np.random.default_rng(0).integers(0, 16, (*shape, 3))
    return np.where(mask[..., None], colour, ground).astype(np.uint8), mask


def test_rbd_shows_a_square_on_a_noisy_ground() -> None:
    image, mask = scene((200, 40, 40))
    saliency = rbd(image, SETTINGS)
    assert saliency[mask].mean() > 0.85
    assert saliency[~mask].mean() < 0.1
    assert (saliency.min(), saliency.max()) == (0, 1)


def test_rbd_of_a_grey_image_shows_the_square_too() -> None:
    image, mask = scene((220, 220, 220))
    saliency = rbd(image, SETTINGS)
    assert saliency[mask].mean() - saliency[~mask].mean() > 0.7


@pytest.mark.parametrize("shape", [(1, 1), (31, 33), (64, 64), (2, 300)])
def test_rbd_of_a_constant_image_is_all_zero(shape: tuple[int, int]) -> None:
    assert not rbd(np.full((*shape, 3), (201, 30, 77), dtype=np.uint8), SETTINGS).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 3), (2, 300), (500, 3)])
def test_rbd_of_a_tiny_or_thin_image_is_finite(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    saliency = rbd(image, SETTINGS)
    assert saliency.shape == shape
    assert 0 <= saliency.min() <= saliency.max() <= 1
