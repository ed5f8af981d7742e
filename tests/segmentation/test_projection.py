import numpy as np
import pytest

from pipeline.segmentation.projection import fit_projection


def test_whitened_points_have_unit_variance_and_no_correlation():
    embeddings = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32) @ np.diag([9, 5, 3, 1, 1, 0.5])
    points = fit_projection(embeddings.astype(np.float32), 4, True).apply(embeddings.astype(np.float32))
    assert np.cov(points.T) == pytest.approx(np.eye(4), abs=1e-4)


def test_without_whitening_a_full_projection_keeps_distances():
    embeddings = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    points = fit_projection(embeddings, 32, False).apply(embeddings)
    assert points.shape == (30, 5)
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(np.linalg.norm(embeddings[0] - embeddings[1]))


def test_fewer_samples_than_dimensions_leave_zero_directions_and_no_noise():
    embeddings = np.random.default_rng(0).normal(size=(4, 10)).astype(np.float32)
    points = fit_projection(embeddings, 8, True).apply(embeddings)
    assert points.var(axis=0, ddof=1) == pytest.approx([1, 1, 1, 0, 0, 0, 0, 0], abs=1e-4)


def test_equal_embeddings_are_projected_to_zero():
    embeddings = np.full((3, 4), 0.5, dtype=np.float32)
    assert not fit_projection(embeddings, 2, True).apply(embeddings).any()


def test_the_largest_entry_of_every_direction_is_positive():
    matrix = fit_projection(np.random.default_rng(2).normal(size=(50, 7)).astype(np.float32), 7, False).matrix
    assert (np.take_along_axis(matrix, np.abs(matrix).argmax(axis=0)[None], axis=0) > 0).all()


def test_without_centring_a_full_projection_keeps_lengths_and_angles():
    embeddings = np.random.default_rng(1).normal(1, 1, size=(30, 5)).astype(np.float32)
    points = fit_projection(embeddings, 32, False, centre=False).apply(embeddings)
    assert points @ points.T == pytest.approx(embeddings @ embeddings.T, abs=1e-4)
