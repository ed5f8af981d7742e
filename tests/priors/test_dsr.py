import numpy as np
import pytest

from pipeline.params import Dsr, Scale
from pipeline.priors.dsr import (
    clusters_of,
    dense_error,
    directions,
    dsr,
    lasso_residual,
    object_biased,
    posterior,
    propagated,
    sparse_error,
)

SETTINGS = Dsr(
    scales=[Scale(superpixels=count, compactness=20.0) for count in (60, 120)], energy=0.95, sparsity=0.01, clusters=8
)


def test_dense_error_is_the_distance_to_the_components_and_one_more() -> None:
    # The background varies along the first axis (99 % of the variance), a little along the second, not along the third.
    background = np.array([[10.0, 1, 0], [10, -1, 0], [-10, 1, 0], [-10, -1, 0]])
    points = np.array([[0.0, 0, 4], [5, 0, 0], [0, 9, 0], [0, 0, -4], [-5, -9, 2], [0, 0, -2]])
    np.testing.assert_allclose(dense_error(points, background, energy=0.95), [1, 0, 0, 1, 0.5, 0.5])


def test_dense_error_without_the_quirk_would_miss_the_second_axis() -> None:
    background = np.array([[10.0, 1, 0], [10, -1, 0], [-10, 1, 0], [-10, -1, 0]])
    points = np.array([[0.0, 0, 4], [0, 9, 0], [0, -9, -4]])
    assert dense_error(points, background, energy=0.95)[1] == 0


def test_the_lasso_leaves_the_sparsity_of_what_an_atom_explains_and_all_of_the_rest() -> None:
    residual = lasso_residual(np.array([[0.8, 0.6]]), np.array([[1.0, 0.0]]), sparsity=0.1)
    np.testing.assert_allclose(residual, [[0.1, 0.6]], atol=1e-6)


def test_the_lasso_on_orthogonal_atoms_clips_every_coordinate() -> None:
    points = np.array([[0.5, -0.02, 0.3], [-0.9, 0.4, 0.0]])
    np.testing.assert_allclose(lasso_residual(points, np.eye(3), 0.1), np.clip(points, -0.1, 0.1), atol=1e-4)


def test_lasso_residuals_are_those_of_coordinate_descent_to_two_percent() -> None:
    rng = np.random.default_rng(0)
    atoms, points = directions(rng.random((30, 8))), directions(rng.random((40, 8)))
    gram, products = atoms @ atoms.T, points @ atoms.T
    codes = np.zeros_like(products)
    for _ in range(3000):
        for j in range(len(atoms)):
            rest = products[:, j] - codes @ gram[:, j] + codes[:, j]
            codes[:, j] = np.sign(rest) * np.maximum(np.abs(rest) - 0.01, 0)
    expected = ((points - codes @ atoms) ** 2).sum(axis=1)
    found = (lasso_residual(points, atoms, 0.01) ** 2).sum(axis=1)
    assert np.abs(found - expected).max() < 0.02 * expected.max()


def test_sparse_error_does_not_depend_on_the_length_of_a_feature() -> None:
    rng = np.random.default_rng(1)
    points = rng.random((20, 8))
    scaled = points * rng.uniform(0.5, 2, (20, 1))
    np.testing.assert_allclose(
        sparse_error(points, points[:5], 0.01), sparse_error(scaled, points[:5], 0.01), atol=1e-9
    )


def test_errors_are_averaged_within_a_cluster_from_the_largest_down_in_place() -> None:
    # 1 becomes (1 + 0.2) / 2 = 0.6, then 0.2 becomes (0.2 + 0.6) / 2 = 0.4; the third is alone and keeps its 0.
    found = propagated(np.array([1.0, 0.2, 0.0]), np.zeros((3, 2)), np.array([0, 0, 1]))
    np.testing.assert_allclose(found, [1, 2 / 3, 0])


def test_clusters_are_the_same_on_every_run_and_no_more_than_there_are_superpixels() -> None:
    features = np.random.default_rng(0).random((50, 8))
    assert (clusters_of(features, 8) == clusters_of(features, 8)).all()
    assert len(clusters_of(features[:3], 8)) == 3


def test_the_gaussian_stands_at_the_centre_of_saliency() -> None:
    saliency = np.zeros((20, 40))
    saliency[4:7, 9:12] = 0.5
    biased = object_biased(saliency)
    assert biased[5, 10] == 1
    # One pixel off the centre along the width: a step of 1 / 40 at a sigma of 1 / 4.
    assert biased[5, 11] == pytest.approx(np.exp(-0.5 * (1 / 40 / 0.25) ** 2))
    assert not biased[0].any()


def test_posterior_of_a_map_that_agrees_with_itself_is_certain() -> None:
    saliency = np.array([[1.0, 1.0, 0.2, 0.2]])
    np.testing.assert_allclose(posterior(saliency, saliency), [[1, 1, 0, 0]])


def test_posterior_weighs_the_prior_by_how_frequent_the_value_is_on_and_off_the_object() -> None:
    # On the object (prior above the mean .5) the value 0.9 has frequency 1/2, off it 1/4; 0.1 has 1/2 and 3/4.
    prior = np.array([0.8, 0.8, 0.4, 0.4, 0.4, 0.2])
    observed = np.array([0.9, 0.1, 0.9, 0.1, 0.1, 0.1])
    on, off = 0.5, np.where(observed > 0.5, 0.25, 0.75)
    expected = prior * on / (prior * on + (1 - prior) * off)
    expected = (expected - expected.min()) / np.ptp(expected)
    np.testing.assert_allclose(posterior(prior[None], observed[None])[0], expected)


def test_an_object_that_the_border_cannot_reconstruct_is_salient() -> None:
    image = np.full((60, 80, 3), 120, dtype=np.uint8) + np.random.default_rng(0).integers(
        0, 16, (60, 80, 3), dtype=np.uint8
    )
    image[20:40, 30:50] = (200, 40, 40)
    saliency = dsr(image, SETTINGS)
    assert saliency.dtype == np.float32
    assert saliency[22:38, 32:48].mean() > 0.9
    saliency[18:42, 28:52] = 0
    assert saliency.mean() < 0.05


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 3), (40, 30, 3)])
def test_an_image_without_any_contrast_has_a_finite_map(shape: tuple[int, int, int]) -> None:
    saliency = dsr(np.full(shape, 90, dtype=np.uint8), SETTINGS)
    assert saliency.shape == shape[:2]
    assert np.isfinite(saliency).all()
    assert saliency.min() >= 0
    assert saliency.max() <= 1
