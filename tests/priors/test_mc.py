import numpy as np
import pytest

from pipeline.params import Mc
from pipeline.priors.mc import (
    absorbed_time,
    across_image,
    chain_saliency,
    colour_affinity,
    graph_saliency,
    mc,
    reachable,
    smoothness_score,
)
from pipeline.priors.superpixels import adjacency

SETTINGS = Mc(superpixels=120, compactness=20.0, colour_scale=10.0, outlier_sum=1.1, centre_score=2.0)
# Three superpixels in a row, each with affinity 1 to itself and to its neighbours; the first is on the border.
CHAIN = np.array([[1.0, 1, 0], [1, 1, 1], [0, 1, 1]])
FIRST = np.array([True, False, False])


def grid(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Adjacency with corners, border, and inner ring of size x size superpixels numbered row by row."""
    rows, columns = (index.ravel() for index in np.mgrid[:size, :size])
    depth = np.minimum.reduce([rows, columns, size - 1 - rows, size - 1 - columns])
    linked = adjacency(np.arange(size * size).reshape(size, size), diagonal=True)
    return linked, depth == 0, depth == 1


def affinity_of(colours: np.ndarray, linked: np.ndarray) -> np.ndarray:
    return colour_affinity(np.abs(colours[:, None] - colours[None]), linked, 10.0)


def test_absorbed_time_of_a_chain_solved_by_hand() -> None:
    # Degrees with the absorbing copy of the first are 3, 4, 2, so Q = [1 1 0] / 3, [1 1 1] / 4, [0 1 1] / 2 and
    # y = 1 + Q y gives 2 y0 = 3 + y1, 3 y1 = 4 + y0 + y2, y2 = 2 + y1.
    np.testing.assert_allclose(absorbed_time(CHAIN, FIRST, np.ones(3)), [4, 5, 7])


def test_absorbed_time_is_the_fundamental_matrix_times_the_step() -> None:
    rng = np.random.default_rng(0)
    affinity = rng.random((6, 6))
    affinity += affinity.T
    absorbing, step = np.arange(6) < 2, rng.random(6)
    degree = affinity.sum(axis=1) + affinity[:, absorbing].sum(axis=1)
    expected = np.linalg.inv(np.eye(6) - affinity / degree[:, None]) @ step
    np.testing.assert_allclose(absorbed_time(affinity, absorbing, step), expected)


def test_a_chain_that_is_no_smooth_hill_keeps_its_absorbed_time() -> None:
    np.testing.assert_allclose(chain_saliency(CHAIN, FIRST, centre_score=9.0), [0, 1 / 3, 1])


def test_a_smooth_hill_is_weighted_by_rarity() -> None:
    # Affinity sums 2, 3, 2 make the steps 3/8, 2/8, 3/8 and the times 32/24, 37/24, 55/24.
    np.testing.assert_allclose(chain_saliency(CHAIN, FIRST, centre_score=1.0), [0, 5 / 23, 1])


def test_smoothness_score_is_one_at_the_ends_and_three_for_a_ramp() -> None:
    assert smoothness_score(np.array([0.0, 1.0, 1.0])) == 1
    assert smoothness_score(np.array([0.45, 0.55])) == 5
    assert smoothness_score((np.arange(10) + 0.5) / 10) == pytest.approx(3)


def test_affinity_falls_from_the_most_to_the_least_alike_edge() -> None:
    distance = np.array([[0.0, 20, 7], [20, 0, 30], [7, 30, 0]])
    edges = adjacency(np.array([[0, 1, 2]]))
    affinity = colour_affinity(distance, edges, scale=10.0)
    least = np.exp(-10) + 1e-5
    np.testing.assert_allclose(affinity, [[1, 1 + 1e-5, 0], [1 + 1e-5, 1, least], [0, least, 1]])


def test_rows_and_columns_link_opposite_ends() -> None:
    linked = across_image(np.array([[0, 1, 2], [3, 4, 5]]))
    assert {(int(i), int(j)) for i, j in np.argwhere(np.triu(linked))} == {(0, 2), (3, 5), (0, 3), (1, 4), (2, 5)}


def eye_scene() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Affinity, adjacency and border of a 7x7 grid: ground 0, an object of 3x3 at 20, and an eye at 100 in it."""
    linked, border, _ = grid(7)
    colours = np.zeros((7, 7))
    colours[2:5, 2:5] = 20
    colours[3, 3] = 100
    return affinity_of(colours.ravel(), linked), linked, border, colours.ravel() == 20


def test_an_outlier_is_as_salient_as_the_object_around_it() -> None:
    affinity, linked, border, body = eye_scene()
    saliency = graph_saliency(affinity, linked, border, SETTINGS)
    assert saliency[body].min() > 0.9
    assert saliency[24] == 1


def test_without_the_outlier_rule_an_eye_takes_the_whole_range() -> None:
    affinity, linked, border, body = eye_scene()
    saliency = graph_saliency(affinity, linked, border, SETTINGS.model_copy(update={"outlier_sum": 1e-9}))
    assert saliency[body].max() < 0.1
    assert saliency[24] == 1


def test_an_outlier_in_the_background_is_not_salient() -> None:
    linked, border, _ = grid(9)
    colours = np.zeros((9, 9))
    colours[3:6, 5:8] = 60
    colours[4, 1] = 200
    saliency = graph_saliency(affinity_of(colours.ravel(), linked), linked, border, SETTINGS)
    assert saliency.reshape(9, 9)[3:6, 5:8].min() > 0.8
    assert saliency.reshape(9, 9)[4, 1] == 0


def test_a_border_unlike_the_ring_inside_it_is_a_frame_and_the_ring_absorbs() -> None:
    linked, border, ring = grid(7)
    colours = np.where(border, 100.0, 0.0)
    colours[24] = 15
    saliency = graph_saliency(affinity_of(colours, linked), linked, border, SETTINGS)
    assert not saliency[border].any()
    assert saliency[24] == 1
    assert saliency[ring].max() < 0.2


def test_a_walk_that_never_ends_stays_outside_the_chain() -> None:
    affinity = np.eye(5)
    affinity[0, 1] = affinity[1, 0] = affinity[3, 4] = affinity[4, 3] = 0.5
    everything, first = np.ones(5, dtype=bool), np.arange(5) == 0
    assert reachable(affinity, everything, first).tolist() == [True, True, False, False, False]


def test_a_chain_is_cut_where_an_outlier_leaves_it() -> None:
    assert reachable(CHAIN, np.array([True, False, True]), FIRST).tolist() == [True, False, False]


def test_saliency_does_not_depend_on_the_numbering() -> None:
    linked, border, _ = grid(6)
    rng = np.random.default_rng(0)
    affinity = affinity_of(rng.random(36), linked)
    order = rng.permutation(36)
    shuffled = np.ix_(order, order)
    expected = graph_saliency(affinity, linked, border, SETTINGS)[order]
    np.testing.assert_allclose(
        graph_saliency(affinity[shuffled], linked[shuffled], border[order], SETTINGS), expected, atol=1e-9
    )


def test_what_is_cut_by_the_border_is_background() -> None:
    linked, border, _ = grid(9)
    colours = np.zeros((9, 9))
    colours[3:6, 5:8], colours[6:9, 0:3] = 20, 40
    saliency = graph_saliency(affinity_of(colours.ravel(), linked), linked, border, SETTINGS).reshape(9, 9)
    assert saliency[3:6, 5:8].min() > 3 * saliency[6:9, 0:3].max()


def test_mc_shows_a_square_on_a_noisy_ground() -> None:
    mask = np.zeros((64, 80), dtype=bool)
    mask[20:44, 30:54] = True
    ground = 110 + np.random.default_rng(0).integers(0, 16, (64, 80, 3))
    saliency = mc(np.where(mask[..., None], (200, 40, 40), ground).astype(np.uint8), SETTINGS)
    assert saliency[mask].mean() > 0.9
    assert saliency[~mask].mean() < 0.1
    assert (saliency.min(), saliency.max()) == (0, 1)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (64, 64), (2, 300)])
def test_mc_of_a_constant_image_is_all_zero(shape: tuple[int, int]) -> None:
    assert not mc(np.full((*shape, 3), (201, 30, 77), dtype=np.uint8), SETTINGS).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 3), (2, 300), (500, 3)])
def test_mc_of_a_tiny_or_thin_image_is_finite(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    saliency = mc(image, SETTINGS)
    assert saliency.shape == shape
    assert 0 <= saliency.min() <= saliency.max() <= 1
