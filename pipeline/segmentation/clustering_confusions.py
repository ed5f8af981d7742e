"""Confusion matrices of all clusterings with the labels, in pixels, from one pass over the labels.

Clusters are laid on the square in which the saliency is stored (`embed.size`), foreground against background, or on a
grid of cells. They are scored at several sizes. At the original one (size 0) the square goes to the size of the label
map, as in the official evaluation. At a square of s pixels a side, square and label map both go to s x s, whatever the
aspect, so every image counts alike. All of it by nearest neighbour, pixel centres on pixel centres.

Each label map is decoded once for all sizes, tables, K and seeds, and memory does not grow with the number of images.
The matrices are kept in one HDF5 file: `<table>/<K>/<seed>/<size>` int64 [K, classes], row 0 the background of mask
embeddings, and the attribute `classes`, their names as a JSON list. Every rule of matching and every score follows
from it, so another rule needs neither label nor network.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from jaxtyping import Int64, Integer

from pipeline.cluster_store import ClusterStore
from pipeline.embedding_store import EmbeddingStore
from pipeline.images.nearest import nearest
from pipeline.packed import Packed, replacing
from pipeline.segmentation.region_counts import (
    count_regions,
    known_classes,
    label_maps,
    painted_rows,
    region_confusion,
)

# Images whose counts wait together in memory: at 21 classes and three sizes 16 x 16 cells take 130 kB of each.
IMAGES = 16


class Run(NamedTuple):
    """One clustering: its embedding table, K (the background counts) and seed."""

    name: str
    clusters: int
    seed: int


Confusions = Mapping[Run, Mapping[int, Int64[np.ndarray, "k c"]]]
"""Pixels of every pair of a cluster and a class, by clustering and size (0: the original one)."""


def count_clusterings(
    store: ClusterStore, embeddings: EmbeddingStore, labels: Packed, sizes: Sequence[int]
) -> Confusions:
    """Count all clusterings of the store at all `sizes`; InputError for a missing label map or an unnamed class."""
    classes = len(labels.metadata["classes"])
    confusions = {
        Run(name, k, seed): {size: np.zeros((k, classes), dtype=np.int64) for size in sizes}
        for name in store.names
        for k in store.clusters(name)
        for seed in store.seeds(name, k)
    }
    grids = sorted({store.grid(name) for name in store.names})
    counted, start = _counts(embeddings, labels, store, grids, sizes), 0
    while images := list(itertools.islice(counted, IMAGES)):
        counts = {key: np.stack([image[key] for image in images]) for key in images[0]}
        _add(confusions, store, counts, start, start + len(images))
        start += len(images)
    return confusions


def write_confusions(path: Path, confusions: Confusions, classes: Sequence[str]) -> None:
    """Write all matrices and the names of their columns."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["classes"] = json.dumps(list(classes))
        for run, by_size in confusions.items():
            for size, confusion in by_size.items():
                key = "/".join(map(str, (*run, size)))
                file.create_dataset(key, data=confusion, compression="gzip")


def read_confusions(path: Path) -> Confusions:
    """All matrices of a file, tables, K and seeds ascending."""
    found: dict[Run, dict[int, Int64[np.ndarray, "k c"]]] = {}

    def visit(key: str, stored: h5py.Group | h5py.Dataset) -> None:
        if isinstance(stored, h5py.Dataset):
            name, *numbers = key.split("/")
            k, seed, size = map(int, numbers)
            found.setdefault(Run(name, k, seed), {})[size] = stored[:]

    with h5py.File(path) as file:
        file.visititems(visit)
    return dict(sorted(found.items()))


def _counts(
    embeddings: EmbeddingStore, labels: Packed, store: ClusterStore, grids: Sequence[int], sizes: Sequence[int]
) -> Iterator[dict[tuple[int, int], Int64[np.ndarray, "r c"]]]:
    """Pixels of every class in each region, by grid and size, of one image after the other."""
    for image_id, label_map in label_maps(labels, store.ids, store.metadata["split"]):
        regions = {grid: _regions(grid, embeddings, image_id) for grid in grids}
        yield {
            (grid, size): known_classes(count_regions(regions[grid], scored, grid * grid or 2), labels, image_id)
            for size, scored in ((size, nearest(label_map, (size, size)) if size else label_map) for size in sizes)
            for grid in grids
        }


def _regions(grid: int, embeddings: EmbeddingStore, image_id: str) -> Integer[np.ndarray, "s s"]:
    """Cells in reading order, or for `grid` 0 the background (0) and foreground (1)."""
    if grid:
        return np.arange(grid * grid, dtype=np.int32).reshape(grid, grid)
    return embeddings.foreground(embeddings.index(image_id)).view(np.uint8)


def _add(
    confusions: Confusions,
    store: ClusterStore,
    counts: Mapping[tuple[int, int], Int64[np.ndarray, "n r c"]],
    start: int,
    stop: int,
) -> None:
    for name in store.names:
        grid = store.grid(name)
        for k in store.clusters(name):
            for seed, assignments in store.assignments(name, k, start, stop).items():
                # Assignment -1, nothing salient, lands on row 0 with the background.
                rows = assignments if grid else painted_rows(assignments[:, 0] + 1)
                for size, confusion in confusions[Run(name, k, seed)].items():
                    confusion += region_confusion(rows, counts[grid, size], k)
