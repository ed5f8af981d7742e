"""K-means of 1,449 points of 32 dimensions, as many as PASCAL VOC has to score, against scikit-learn's mini-batches.

Iterations and restarts are ours, the reference has the settings of the official code (batches of 1,000, n_init 3, the
default of its time). Time is that at 500 clusters; the inertia ratio is the worse one of 20 and 500 clusters, of the
medians over seeds, each the sum of squared distances of all points to their nearest centroid.
"""

import statistics
import warnings

import numpy as np

from benchmarks.measure import interleaved, published
from pipeline.params import Cluster
from pipeline.segmentation.lloyd import assign, kmeans
from pipeline.segmentation.projection import fit_projection

POINTS, DIMENSIONS, DIRECTIONS, NOISE = 1449, 32, 60, 0.6
CLUSTERS, MORE_CLUSTERS, ROUNDS = 20, 500, 5
OPTIONS = Cluster.model_validate(published("cluster"))


def run() -> dict[str, object]:
    """Processor milliseconds of one clustering, and inertia ours over theirs."""
    points = mask_embeddings(np.random.default_rng(0))
    inertia = {}
    for clusters in (CLUSTERS, MORE_CLUSTERS):
        found = [(ours(points, clusters, seed), reference(points, clusters, seed)) for seed in OPTIONS.seeds]
        medians = [statistics.median(assign(points, each)[1] for each in one) for one in zip(*found, strict=True)]
        inertia[clusters] = medians[0] / medians[1]
    seed = OPTIONS.seeds[0]
    seconds = interleaved(
        lambda: ours(points, MORE_CLUSTERS, seed), lambda: reference(points, MORE_CLUSTERS, seed), ROUNDS
    )
    return {
        "ratio": seconds[1] / seconds[0],
        "ours": 1000 * seconds[0],
        "reference": 1000 * seconds[1],
        "unit": "ms",
        "inertia_ratio": max(inertia.values()),
        **{f"inertia_ratio_k{clusters}": ratio for clusters, ratio in inertia.items()},
    }


def mask_embeddings(rng: np.random.Generator) -> np.ndarray:
    """Noisy unit vectors around directions of which few are frequent and many rare, PCA-whitened."""
    directions = _unit(rng.normal(size=(DIRECTIONS, DIMENSIONS)))
    frequency = 1 / np.arange(1, DIRECTIONS + 1)
    drawn = rng.choice(DIRECTIONS, POINTS, p=frequency / frequency.sum())
    noise = NOISE * rng.normal(size=(POINTS, DIMENSIONS)) / DIMENSIONS**0.5
    embeddings = _unit(directions[drawn] + noise).astype(np.float32)
    return fit_projection(embeddings, OPTIONS.components, whiten=True).apply(embeddings)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ours(points: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Centroids of the pipeline."""
    return kmeans(points, clusters, OPTIONS.iterations, OPTIONS.restarts, np.random.default_rng(seed)).centroids


def reference(points: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Centroids of scikit-learn."""
    from sklearn.cluster import MiniBatchKMeans

    # Its annotation of n_init knows the word alone.
    solver = MiniBatchKMeans(n_clusters=clusters, batch_size=1000, n_init=3, random_state=seed)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(solver.fit(points).cluster_centers_, dtype=np.float32)
