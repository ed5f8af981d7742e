"""K-means (paper section 4.2) for every K and every seed: of mask embeddings, and of the features of pixels.

The latter is what the paper does for networks that know no masks. Points are principal components, whitened by choice
(Euclidean K-means) or of unit length (K-means by cosine). No label is seen here.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float16, Float32, Int32, Int64

from pipeline.cluster_store import Clustering, NamedClusterings, Projection
from pipeline.errors import InputError
from pipeline.params import Cluster
from pipeline.progress import track
from pipeline.seeding import generator
from pipeline.segmentation.lloyd import assign, kmeans
from pipeline.segmentation.projection import fit_projection

FITTED_CELLS = 256


def cluster_embeddings(name: str, embeddings: Float32[np.ndarray, "n d"], options: Cluster) -> NamedClusterings:
    """Cluster one embedding table for every K and every seed.

    Zero rows (nothing salient) take no part in the fit and are assigned -1. Raises InputError when the split has
    fewer non-zero rows than a K needs.
    """
    salient = np.asarray(embeddings.any(axis=1))
    _require(int(salient.sum()), max(options.clusters) - 1, "images with a salient object", options)
    projection = fit_projection(embeddings[salient], options.components, options.whiten, not options.spherical)
    points = _points(projection, embeddings[salient], options)

    def run(clusters: int, rng: np.random.Generator) -> Clustering:
        best = kmeans(points, clusters - 1, options.iterations, options.restarts, rng, options.spherical)
        return best._replace(assignments=_spread(best.assignments, salient))

    return NamedClusterings(projection, _all_runs(name, options, run))


def cluster_cells(name: str, features: Float16[np.ndarray, "n g g d"], options: Cluster) -> NamedClusterings:
    """Cluster the features of all cells for every K and every seed; background is a cluster like any other.

    Centroids are fitted on at most `FITTED_CELLS` a cluster, drawn for each seed, and the projection, which the seeds
    share, on as many as the largest K takes, drawn for the first seed. All cells are assigned. Raises InputError when
    there are fewer cells than a K needs.
    """
    cells = features.reshape(-1, features.shape[-1])
    _require(len(cells), max(options.clusters), f"cells of {len(features)} images", options)
    drawn = _drawn(len(cells), max(options.clusters), generator(options.seeds[0], "cells", name))
    fitted = cells[drawn].astype(np.float32)
    projection = fit_projection(fitted, options.pixel_components, options.whiten, not options.spherical)
    parts = np.array_split(cells, len(features))
    points = np.concatenate([_points(projection, part.astype(np.float32), options) for part in parts])

    def run(clusters: int, rng: np.random.Generator) -> Clustering:
        fitted = points[_drawn(len(points), clusters, rng)]
        best = kmeans(fitted, clusters, options.iterations, options.restarts, rng, options.spherical)
        assignments, inertia = assign(points, best.centroids)
        return Clustering(assignments, best.centroids, inertia)

    return NamedClusterings(projection, _all_runs(name, options, run), features.shape[1])


def _require(available: int, needed: int, what: str, options: Cluster) -> None:
    if available < needed:
        raise InputError(
            f"cluster.clusters asks for {max(options.clusters)} clusters, but split {options.split} has only "
            f"{available} {what}; lower it"
        )


def _points(
    projection: Projection, embeddings: Float32[np.ndarray, "n d"], options: Cluster
) -> Float32[np.ndarray, "n p"]:
    points = projection.apply(embeddings)
    return points / np.linalg.norm(points, axis=1, keepdims=True).clip(min=1e-12) if options.spherical else points


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
