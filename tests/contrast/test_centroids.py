import numpy as np

from pipeline.contrast.centroids import nearest_centroids


def test_margins_are_0_between_centroids_and_1_on_one() -> None:
    centroids = np.array([[0, 0], [4, 0], [100, 0]], dtype=np.float32)
    points = np.array([[0, 0], [2, 0], [3, 0], [1, 0]], dtype=np.float32)
    found = nearest_centroids(points, centroids)
    assert found.centroid.tolist() == [0, 0, 1, 0]
    assert np.allclose(found.margin, [1, 0, 1 - 1 / 3, 1 - 1 / 3])
    assert found.distance.tolist() == [0, 2, 1, 1]


def test_a_single_centroid_leaves_no_doubt_and_two_in_one_place_nothing_else() -> None:
    points = np.ones((2, 3), dtype=np.float32)
    assert nearest_centroids(points, np.zeros((1, 3), dtype=np.float32)).margin.tolist() == [1, 1]
    assert nearest_centroids(points, np.ones((2, 3), dtype=np.float32)).margin.tolist() == [0, 0]
    assert len(nearest_centroids(points[:0], np.ones((2, 3), dtype=np.float32)).margin) == 0
