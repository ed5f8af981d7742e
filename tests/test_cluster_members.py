from pathlib import Path

import numpy as np

from pipeline.cluster_members import cluster_members, nearest_centroids
from pipeline.cluster_store import Clustering, ClusterStore, NamedClusterings, Projection, write_clusters
from pipeline.embedding_store import EmbeddingStore, write_embeddings


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


def test_members_are_the_nearest_and_of_the_others_the_least_clear(tmp_path: Path) -> None:
    places = np.array([0.0, 0.1, 0.9, 0.5, 2.0, 9.0], dtype=np.float32)
    ids = ["f", "e", "d", "c", "b", "a"][::-1]
    table = np.zeros((7, 2), dtype=np.float32)
    table[:6, 0] = places
    saliency = np.zeros((7, 4, 4), dtype=np.uint8)
    write_embeddings(tmp_path / "e.h5", [*ids, "z"], saliency, {"maskcontrast": table}, 4, {"threshold": 0.5})
    projection = Projection(np.zeros(2, dtype=np.float32), np.eye(2, dtype=np.float32))
    run = Clustering(np.array([0, 0, 0, 0, 1, -1], dtype=np.int32), np.array([[0, 0], [2, 0]], dtype=np.float32), 0.0)
    write_clusters(tmp_path / "c.h5", ids, {"maskcontrast": NamedClusterings(projection, {3: {0: run}})}, {})
    found = cluster_members(ClusterStore(tmp_path / "c.h5"), EmbeddingStore(tmp_path / "e.h5"), 3, 0, 2)
    assert found[1].typical == ["a", "b"]
    assert found[1].borderline == ["c", "d"]
    assert (found[2].typical, found[2].borderline) == (["e"], [])
