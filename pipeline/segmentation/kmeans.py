"""K-means (paper section 4.2): PCA with optional whitening, then FAISS with our own initialisation.

It clusters the mask embeddings and, as the paper does for networks that know no masks, the features of pixels.

FAISS only starts from random points, which costs up to 7 % of inertia when clusters are small; greedy k-means++
(Arthur and Vassilvitskii, SODA 2007; several candidates a step) closes that gap in milliseconds.
No label is seen here.
"""

from collections.abc import Callable

import faiss
import numpy as np
from jaxtyping import Bool, Float16, Float32, Float64, Int32, Int64

from pipeline.cluster_store import Clustering, NamedClusterings, Projection
from pipeline.errors import InputError
from pipeline.params import Cluster
from pipeline.progress import track
from pipeline.seeding import generator

FITTED_CELLS = 256


def cluster_embeddings(name: str, embeddings: Float32[np.ndarray, "n d"], options: Cluster) -> NamedClusterings:
    """Cluster one embedding table for every K and every seed.

    Zero rows (nothing salient) take no part in the fit and are assigned -1. Raises InputError when the split has
    fewer non-zero rows than a K needs.
    """
    salient = np.asarray(embeddings.any(axis=1))
    available = int(salient.sum())
    if available < max(options.clusters) - 1:
        raise InputError(
            f"cluster.clusters asks for {max(options.clusters)} clusters, but split {options.split} has only "
            f"{available} images with a salient object; lower it"
        )
    projection = fit_projection(embeddings[salient], options.components, options.whiten)
    points = projection.apply(embeddings[salient])

    def run(clusters: int, rng: np.random.Generator) -> Clustering:
        best = kmeans(points, clusters - 1, options.iterations, options.restarts, rng)
        return best._replace(assignments=_spread(best.assignments, salient))

    return NamedClusterings(projection, _all_runs(name, options, run))


def cluster_cells(name: str, features: Float16[np.ndarray, "n g g d"], options: Cluster) -> NamedClusterings:
    """Cluster the features of all cells for every K and every seed; background is a cluster like any other.

    Centroids are fitted on at most `FITTED_CELLS` a cluster, drawn for each seed, and the projection, which the seeds
    share, on as many as the largest K takes, drawn for the first seed. All cells are assigned.
    """
    cells = features.reshape(-1, features.shape[-1])
    drawn = _drawn(len(cells), max(options.clusters), generator(options.seeds[0], "cells", name))
    projection = fit_projection(cells[drawn].astype(np.float32), options.components, options.whiten)
    points = np.concatenate([projection.apply(row.astype(np.float32)) for row in np.array_split(cells, len(features))])

    def run(clusters: int, rng: np.random.Generator) -> Clustering:
        fitted = points[_drawn(len(points), clusters, rng)]
        centroids = kmeans(fitted, clusters, options.iterations, options.restarts, rng).centroids
        assignments, inertia = assign(points, centroids)
        return Clustering(assignments, centroids, inertia)

    return NamedClusterings(projection, _all_runs(name, options, run), features.shape[1])


def _drawn(cells: int, clusters: int, rng: np.random.Generator) -> Int64[np.ndarray, " m"]:
    return np.sort(rng.permutation(cells)[: FITTED_CELLS * clusters])


def _all_runs(
    name: str, options: Cluster, run: Callable[[int, np.random.Generator], Clustering]
) -> dict[int, dict[int, Clustering]]:
    """`run` for every K and every seed, each with a random stream of its own."""
    runs: dict[int, dict[int, Clustering]] = {clusters: {} for clusters in options.clusters}
    jobs = [(clusters, seed) for clusters in options.clusters for seed in options.seeds]
    for clusters, seed in track(jobs, f"cluster {name}", unit="run"):
        runs[clusters][seed] = run(clusters, generator(seed, "cluster", name, clusters))
    return runs


def _spread(assignments: Int32[np.ndarray, " m"], salient: Bool[np.ndarray, " n"]) -> Int32[np.ndarray, " n"]:
    everywhere = np.full(len(salient), -1, dtype=np.int32)
    everywhere[salient] = assignments
    return everywhere


def fit_projection(embeddings: Float32[np.ndarray, "n d"], components: int, whiten: bool) -> Projection:
    """PCA to min(components, d) directions of largest variance; with `whiten` each gets unit variance.

    The largest entry of every direction is positive, so that the result does not depend on the solver's signs.
    Directions without variance (there are some when n <= d) are projected to 0: whitening would only blow up noise.
    """
    mean = embeddings.mean(axis=0, dtype=np.float64)
    centred = embeddings - mean
    covariance = centred.T @ centred / max(1, len(embeddings) - 1)
    ascending, vectors = np.linalg.eigh(covariance)
    variances, vectors = ascending[::-1][:components], vectors[:, ::-1][:, :components]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    matrix = vectors * np.sign(largest) * _scales(variances, whiten)
    return Projection(mean.astype(np.float32), matrix.astype(np.float32))


def _scales(variances: Float64[np.ndarray, " p"], whiten: bool) -> Float64[np.ndarray, " p"]:
    # Rounding of float32 embeddings alone leaves a standard deviation of about 1e-7 of the largest.
    usable = variances > 1e-12 * max(variances[0], 1e-12)
    scales = 1 / np.sqrt(np.where(usable, variances, 1)) if whiten else np.ones_like(variances)
    return np.where(usable, scales, 0)


def kmeans(
    points: Float32[np.ndarray, "n p"], k: int, iterations: int, restarts: int, rng: np.random.Generator
) -> Clustering:
    """The best of `restarts` runs of Lloyd's algorithm with k <= n centroids, each from its own initialisation."""
    runs = (_lloyd(points, initial_centroids(points, k, rng), iterations) for _ in range(restarts))
    return min(runs, key=lambda run: run.inertia)


def _lloyd(points: Float32[np.ndarray, "n p"], start: Float32[np.ndarray, "k p"], iterations: int) -> Clustering:
    # Both limits are set so that FAISS neither draws a subsample nor warns about few points.
    solver = faiss.Kmeans(
        points.shape[1],
        len(start),
        niter=iterations,
        min_points_per_centroid=1,
        max_points_per_centroid=len(points),
    )
    solver.train(points, init_centroids=start)
    centroids = np.array(solver.centroids)
    assignments, inertia = assign(points, centroids)
    return Clustering(assignments, centroids, inertia)


def assign(
    points: Float32[np.ndarray, "n p"], centroids: Float32[np.ndarray, "k p"]
) -> tuple[Int32[np.ndarray, " n"], float]:
    """The nearest centroid of every point, and the inertia."""
    distances, nearest = faiss.knn(points, centroids, 1)
    return nearest[:, 0].astype(np.int32), float(distances.sum(dtype=np.float64))


def initial_centroids(
    points: Float32[np.ndarray, "n p"], k: int, rng: np.random.Generator
) -> Float32[np.ndarray, "k p"]:
    """Greedy k-means++: of 2 + log(k) candidates drawn by squared distance, keep the one that lowers inertia most."""
    candidates = 2 + int(np.log(k))
    chosen = np.empty(k, dtype=np.int64)
    chosen[0] = rng.integers(len(points))
    nearest = _squared_distances(points, chosen[:1])[0]
    for step in range(1, k):
        cumulative = nearest.cumsum(dtype=np.float64)
        drawn = cumulative.searchsorted(rng.random(candidates) * cumulative[-1], side="right").clip(max=len(points) - 1)
        distances = np.minimum(nearest, _squared_distances(points, drawn))
        best = int(distances.sum(axis=1).argmin())
        chosen[step], nearest = drawn[best], distances[best]
    return points[chosen]


def _squared_distances(
    points: Float32[np.ndarray, "n p"], chosen: Int64[np.ndarray, " m"]
) -> Float32[np.ndarray, "m n"]:
    # Rounding takes the distance of a point to itself below 0.
    return faiss.pairwise_distances(points[chosen], points).clip(min=0)
