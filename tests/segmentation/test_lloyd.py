import faiss
import numpy as np
import pytest
import torch
from scipy.cluster.vq import kmeans2

from pipeline.segmentation import lloyd
from pipeline.segmentation.lloyd import assign, initial_centroids, kmeans
from tests.segmentation.blobs import blobs


def test_separated_blobs_are_found():
    found = kmeans(blobs(60, 4, 8), 4, 20, 3, np.random.default_rng(0)).assignments
    assert len(set(found[:4])) == 4
    assert np.array_equal(found, np.tile(found[:4], 15))


@pytest.mark.parametrize("seed", range(3))
def test_inertia_is_no_worse_than_that_of_a_single_naive_run(seed: int):
    points = blobs(200, 40, 6, spread=0.4)
    ours = kmeans(points, 20, 30, 3, np.random.default_rng(seed))
    centroids, nearest = kmeans2(points, 20, iter=30, minit="++", rng=np.random.default_rng(seed))
    assert ours.inertia <= ((points - centroids[nearest]) ** 2).sum() * (1 + 1e-5)


def test_inertia_is_the_sum_of_squared_distances_to_the_own_centroid():
    points = blobs(50, 5, 4, spread=0.5)
    run = kmeans(points, 5, 10, 1, np.random.default_rng(0))
    assert run.inertia == pytest.approx(((points - run.centroids[run.assignments]) ** 2).sum(), rel=1e-4)


def test_more_restarts_never_raise_the_inertia():
    points = blobs(120, 30, 5, spread=0.5)
    inertia = [kmeans(points, 15, 10, restarts, np.random.default_rng(0)).inertia for restarts in (1, 2, 5)]
    assert inertia == sorted(inertia, reverse=True)


def test_as_many_centroids_as_points_leave_no_inertia():
    run = kmeans(blobs(6, 6, 3), 6, 5, 1, np.random.default_rng(0))
    assert run.inertia == pytest.approx(0, abs=1e-5)
    assert sorted(run.assignments) == list(range(6))


def test_initial_centroids_are_points_and_reach_every_far_blob():
    points = blobs(40, 8, 10, spread=0.001)
    start = initial_centroids(points, 8, np.random.default_rng(0))
    assert all((points == centroid).all(axis=1).any() for centroid in start)
    assert sorted(assign(start, points[:8])[0]) == list(range(8))


def test_equal_points_do_not_stop_the_initialisation():
    start = initial_centroids(np.ones((5, 2), dtype=np.float32), 3, np.random.default_rng(0))
    assert np.array_equal(start, np.ones((3, 2), dtype=np.float32))


def test_the_same_seed_gives_the_same_clustering_and_another_one_another():
    points = blobs(300, 60, 6, spread=0.6)
    first, again, other = (kmeans(points, 40, 20, 2, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.assignments, again.assignments)
    assert np.array_equal(first.centroids, again.centroids)
    assert first.inertia == again.inertia
    assert not np.array_equal(first.centroids, other.centroids)


def test_by_cosine_centroids_have_unit_length_and_points_go_to_the_largest_cosine():
    points = blobs(120, 8, 5, spread=0.4)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    run = kmeans(points, 8, 20, 2, np.random.default_rng(0), spherical=True)
    assert np.linalg.norm(run.centroids, axis=1) == pytest.approx(1, abs=1e-5)
    cosines = points @ run.centroids.T
    assert np.array_equal(run.assignments, cosines.argmax(axis=1))
    assert run.inertia == pytest.approx((2 - 2 * cosines.max(axis=1)).sum(), rel=1e-4)
    # Converged: each centroid is the direction of the sum of its points.
    for k, centroid in enumerate(run.centroids):
        own = points[run.assignments == k].sum(axis=0)
        assert own @ centroid == pytest.approx(np.linalg.norm(own), rel=1e-5)


@pytest.mark.parametrize(("gpus", "wanted", "expected"), [(0, "cpu", False), (1, "cpu", False), (1, "cuda", True)])
def test_a_gpu_is_used_where_there_is_one_and_the_environment_allows_it(
    gpus: int, wanted: str, expected: bool, monkeypatch: pytest.MonkeyPatch
):
    asked = []

    class Recorder(faiss.Kmeans):
        def __init__(self, *sizes: int, gpu: bool, **options: object) -> None:
            asked.append(gpu)
            super().__init__(*sizes, **options)

    monkeypatch.setattr(faiss, "Kmeans", Recorder)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: gpus)
    monkeypatch.setattr(lloyd, "device", lambda: torch.device(wanted))
    kmeans(blobs(20, 4, 3), 4, 5, 1, np.random.default_rng(0))
    assert asked == [expected]
