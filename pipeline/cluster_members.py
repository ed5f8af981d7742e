"""How near points are to their clusters: the nearest centroid, how clear it is, and the images to show of a cluster."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64
from scipy.spatial.distance import cdist

from pipeline.cluster_store import ClusterStore
from pipeline.embedding_store import EmbeddingStore


class Nearest(NamedTuple):
    """The nearest centroid of every point, its distance, and the margin to the next one.

    A margin is 1 - a / b of the two smallest distances a and b: 0 half-way between two centroids, 1 on one of them.
    """

    centroid: Int64[np.ndarray, " n"]
    distance: Float32[np.ndarray, " n"]
    margin: Float32[np.ndarray, " n"]


class Members(NamedTuple):
    """Image ids of a cluster: those nearest to its centroid, nearest first, and of the others those of least margin."""

    typical: list[str]
    borderline: list[str]


def nearest_centroids(points: Float32[np.ndarray, "n p"], centroids: Float32[np.ndarray, "k p"]) -> Nearest:
    """The nearest of k >= 1 centroids by Euclidean distance; of a single one every margin is 1."""
    distances = cdist(points, centroids)
    chosen = distances.argmin(axis=1)
    if distances.shape[1] == 1:
        smallest, next_one = distances[:, 0], np.full(len(points), np.inf)
    else:
        smallest, next_one = np.partition(distances, 1, axis=1)[:, :2].T
    # Two centroids in one place leave nothing to tell them apart by.
    margin = np.where(next_one > 0, 1 - smallest / next_one.clip(min=1e-30), 0)
    return Nearest(chosen, smallest.astype(np.float32), margin.astype(np.float32))


def cluster_members(
    clusters: ClusterStore, embeddings: EmbeddingStore, k: int, seed: int, count: int, table: str = "maskcontrast"
) -> dict[int, Members]:
    """At most `count` typical and `count` borderline images of every cluster of one clustering of mask embeddings.

    Keys are the numbers in label maps, 1 to K - 1; images without a salient object are in none.
    """
    run = clusters.runs(table, k)[seed]
    rows = [embeddings.index(image_id) for image_id in clusters.ids]
    points = clusters.projection(table).apply(embeddings.embeddings(table)[rows])
    found = nearest_centroids(points, run.centroids)
    members = {}
    for cluster in range(len(run.centroids)):
        own = np.flatnonzero(run.assignments == cluster)
        typical, others = np.split(own[found.distance[own].argsort(kind="stable")], [count])
        borderline = others[found.margin[others].argsort(kind="stable")][:count]
        members[cluster + 1] = Members([clusters.ids[i] for i in typical], [clusters.ids[i] for i in borderline])
    return members
