"""The nearest centroid of embeddings, and how clear it is that it is the nearest."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64
from scipy.spatial.distance import cdist


class Nearest(NamedTuple):
    """The nearest centroid of every point, its distance, and the margin to the next one.

    A margin is 1 - a / b of the two smallest distances a and b: 0 half-way between two centroids, 1 on one of them.
    """

    centroid: Int64[np.ndarray, " n"]
    distance: Float32[np.ndarray, " n"]
    margin: Float32[np.ndarray, " n"]


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
