"""Clusterings of the mask embeddings of one split, in one HDF5 file (schema `maskcontrast/clusters`).

- `ids`: the images of the split, as in `packed`; `metadata["split"]` is its name;
- `tables/<name>/mean` float32 [d] and `tables/<name>/matrix` float32 [d, p]: the projection of an embedding table;
- `tables/<name>/runs/<K>/seeds` int64 [s], and beside it for each of these seeds
  `assignments` int32 [s, n], `centroids` float32 [s, K - 1, p], `inertia` float64 [s].

K counts the background, so assignments run from 0 to K - 2; -1 marks an image in which nothing is salient.
A new embedding e belongs to the centroid nearest to `(e - mean) @ matrix`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from jaxtyping import Float32, Int32

from pipeline.packed import Container, replacing, require_sorted, write_header

SCHEMA, VERSION = "maskcontrast/clusters", 1


class Projection(NamedTuple):
    """PCA as an affine map: embeddings [n, d] to points [n, p]."""

    mean: Float32[np.ndarray, " d"]
    matrix: Float32[np.ndarray, "d p"]

    def apply(self, embeddings: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n p"]:
        """The points that are clustered."""
        return (embeddings - self.mean) @ self.matrix


class Clustering(NamedTuple):
    """One run of K-means with K - 1 centroids; `inertia` is the sum of squared distances to the own centroid."""

    assignments: Int32[np.ndarray, " n"]
    centroids: Float32[np.ndarray, "k p"]
    inertia: float


class NamedClusterings(NamedTuple):
    """All clusterings of one embedding table: `runs[K][seed]`."""

    projection: Projection
    runs: Mapping[int, Mapping[int, Clustering]]


def write_clusters(
    path: Path, ids: Sequence[str], clusterings: Mapping[str, NamedClusterings], metadata: Mapping[str, object]
) -> None:
    """Write the clusterings of the images `ids` (ascending), by the name of their embedding table."""
    require_sorted(list(ids), path)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        write_header(file, SCHEMA, VERSION, list(ids), metadata)
        for name, (projection, runs) in sorted(clusterings.items()):
            table = file.create_group(f"tables/{name}")
            table["mean"], table["matrix"] = projection
            for clusters, by_seed in sorted(runs.items()):
                group = table.create_group(f"runs/{clusters}")
                group["seeds"] = np.array(list(by_seed), dtype=np.int64)
                group["assignments"] = np.stack([run.assignments for run in by_seed.values()])
                group["centroids"] = np.stack([run.centroids for run in by_seed.values()])
                group["inertia"] = np.array([run.inertia for run in by_seed.values()])


class ClusterStore(Container):
    """Clusterings opened for reading."""

    schema = SCHEMA

    @property
    def names(self) -> list[str]:
        """Names of the clustered embedding tables, sorted."""
        return sorted(self.file["tables"])  # type: ignore[arg-type]

    def clusters(self, name: str) -> list[int]:
        """The numbers of clusters K, ascending; background is one of them."""
        return sorted(map(int, self.file[f"tables/{name}/runs"]))  # type: ignore[arg-type]

    def runs(self, name: str, clusters: int) -> dict[int, Clustering]:
        """The clusterings of one table and one K, by seed."""
        columns = (self.dataset(f"tables/{name}/runs/{clusters}/{part}")[:] for part in ("seeds", *Clustering._fields))
        seeds, assignments, centroids, inertia = columns
        return {int(seed): Clustering(assignments[s], centroids[s], float(inertia[s])) for s, seed in enumerate(seeds)}

    def projection(self, name: str) -> Projection:
        """The projection that was fitted on one table."""
        return Projection(self.dataset(f"tables/{name}/mean")[:], self.dataset(f"tables/{name}/matrix")[:])
