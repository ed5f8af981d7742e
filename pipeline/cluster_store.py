"""Clusterings of one split by mask embeddings, or cells of pixels, in one HDF5 file (schema `maskcontrast/clusters`).

- `ids`: the images of the split, as in `packed`; `metadata["split"]` is its name;
- `tables/<name>/mean` float32 [d] and `tables/<name>/matrix` float32 [d, p]: the projection of a table;
- attribute `grid` of `tables/<name>`: 0 for mask embeddings, g for the features of g x g cells an image;
- `tables/<name>/runs/<K>/seeds` int64 [s], and beside it for each of these seeds
  `assignments` int32 [s, n], `centroids` float32 [s, K - 1, p], `inertia` float64 [s].

K counts the background, so assignments of mask embeddings run from 0 to K - 2; -1 marks an image in which nothing is
salient. For cells the background is a cluster like any other: there are K centroids, and `assignments` holds g * g
numbers from 0 to K - 1 for every image, cells in reading order.
A new embedding e belongs to the centroid nearest to `(e - mean) @ matrix`. This holds for K-means by cosine too: of
centroids of unit length the nearest is the same whatever the length of the point, and the points clustered had 1.
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
    """One run of K-means; `inertia` is the sum of squared distances to the own centroid."""

    assignments: Int32[np.ndarray, " n"]
    centroids: Float32[np.ndarray, "k p"]
    inertia: float


class NamedClusterings(NamedTuple):
    """All clusterings of one table: `runs[K][seed]`; `grid` is 0 for mask embeddings, else cells a side."""

    projection: Projection
    runs: Mapping[int, Mapping[int, Clustering]]
    grid: int = 0


def write_clusters(
    path: Path, ids: Sequence[str], clusterings: Mapping[str, NamedClusterings], metadata: Mapping[str, object]
) -> None:
    """Write the clusterings of the images `ids` (ascending), by the name of their embedding table."""
    require_sorted(list(ids), path)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        write_header(file, SCHEMA, VERSION, list(ids), metadata)
        for name, (projection, runs, grid) in sorted(clusterings.items()):
            table = file.create_group(f"tables/{name}")
            table.attrs["grid"] = grid
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
    version = VERSION

    @property
    def names(self) -> list[str]:
        """Names of the clustered tables, sorted."""
        return sorted(self.file["tables"])  # type: ignore[arg-type]

    def grid(self, name: str) -> int:
        """Cells a side whose features one table holds; 0 for mask embeddings."""
        return int(self.file[f"tables/{name}"].attrs["grid"])  # type: ignore[arg-type]

    def clusters(self, name: str) -> list[int]:
        """The numbers of clusters K, ascending; background is one of them."""
        return sorted(map(int, self.file[f"tables/{name}/runs"]))  # type: ignore[arg-type]

    def runs(self, name: str, clusters: int) -> dict[int, Clustering]:
        """The clusterings of one table and one K, by seed."""
        columns = (self.dataset(f"tables/{name}/runs/{clusters}/{part}")[:] for part in ("seeds", *Clustering._fields))
        seeds, assignments, centroids, inertia = columns
        return {int(seed): Clustering(assignments[s], centroids[s], float(inertia[s])) for s, seed in enumerate(seeds)}

    def seeds(self, name: str, clusters: int) -> list[int]:
        """The seeds of one table and one K."""
        return self.dataset(f"tables/{name}/runs/{clusters}/seeds")[:].tolist()

    def assignments(self, name: str, clusters: int, start: int, stop: int) -> dict[int, Int32[np.ndarray, "m r"]]:
        """The assignments of images `start` to `stop` - 1 alone, by seed: one an image (r = 1) or g * g cells."""
        regions = max(1, self.grid(name) ** 2)
        found = self.dataset(f"tables/{name}/runs/{clusters}/assignments")[:, start * regions : stop * regions]
        seeds = self.seeds(name, clusters)
        return dict(zip(seeds, found.reshape(len(seeds), -1, regions), strict=True))

    def projection(self, name: str) -> Projection:
        """The projection that was fitted on one table."""
        return Projection(self.dataset(f"tables/{name}/mean")[:], self.dataset(f"tables/{name}/matrix")[:])
