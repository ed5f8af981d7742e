"""Mask embeddings and predicted saliency of every image, in one HDF5 file (schema `maskcontrast/embeddings`).

- `saliency`: uint8 [n, s, s], predicted probability times 255, rounded, one image a chunk, gzip;
- `embeddings/<name>`: float32 [n, d], unit norm, zero where nothing is salient; `maskcontrast` are the mask
  embeddings, `start` the starting weights' features pooled over the same pixels, as the baseline;
- `cell_images`: int64 [m], ascending: indices of the images whose dense features are kept;
- `cells/<name>`: float16 [m, g, g, d], what the embeddings of that name were pooled from, averaged in g x g cells, or
  the network's own map of g x g features;
- `ids` and attributes as in `packed`; `metadata["threshold"]` is a probability p, whether it was given as one or as a
  logit, and a pixel is salient where `saliency` exceeds round(255 p).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import h5py
import numpy as np
from jaxtyping import Bool, Float16, Float32, Int64, UInt8

from pipeline.errors import InputError
from pipeline.packed import Container, replacing, require_sorted, write_header

SCHEMA, VERSION = "maskcontrast/embeddings", 2


def cutoff(threshold: float) -> int:
    """The stored saliency above which a pixel is salient, given the probability to exceed."""
    return round(255 * threshold)


def write_embeddings(
    path: Path,
    ids: list[str],
    saliency: Iterable[UInt8[np.ndarray, "s s"]],
    embeddings: Mapping[str, Float32[np.ndarray, "n _"]],
    size: int,
    metadata: Mapping[str, object],
    cells: Mapping[str, Float16[np.ndarray, "m g g _"]] = MappingProxyType({}),
    cell_images: Sequence[int] = (),
) -> None:
    """Write saliency maps (streamed), embedding tables and features of cells for the images `ids` (ascending).

    `cells` hold rows for the images with the indices `cell_images`.
    """
    require_sorted(ids, path)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        write_header(file, SCHEMA, VERSION, ids, metadata)
        shape = (len(ids), size, size)
        stored = file.create_dataset("saliency", shape, np.uint8, chunks=(1, size, size), compression="gzip")
        for i, probability in enumerate(saliency):
            stored[i] = probability
        for name, table in sorted(embeddings.items()):
            file[f"embeddings/{name}"] = table
        file["cell_images"] = np.array(cell_images, dtype=np.int64)
        for name, features in sorted(cells.items()):
            file[f"cells/{name}"] = features


def join_embeddings(path: Path, parts: Sequence[Path], metadata: Mapping[str, object]) -> None:
    """Write one file of `parts`, which `write_embeddings` made, each of the images that come next."""
    ids = [image_id for part in parts for image_id in EmbeddingStore(part).ids]
    require_sorted(ids, path)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        write_header(file, SCHEMA, VERSION, ids, metadata)
        lengths = _lengths(parts)
        done: Counter[str] = Counter()
        for part in parts:
            with h5py.File(part) as source:
                first_image = done["saliency"]
                for name, rows in _datasets(source).items():
                    if name not in file:
                        _empty_like(file, name, rows, lengths[name])
                    values = rows[:] + first_image if name == "cell_images" else rows[:]
                    file[name][done[name] : done[name] + len(rows)] = values  # type: ignore[index]
                    done[name] += len(rows)


def _lengths(parts: Sequence[Path]) -> Counter[str]:
    lengths: Counter[str] = Counter()
    for part in parts:
        with h5py.File(part) as source:
            lengths.update({name: len(rows) for name, rows in _datasets(source).items()})
    return lengths


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """All that has rows to be joined, by name."""
    found: dict[str, h5py.Dataset] = {}
    file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    return {name: rows for name, rows in found.items() if name != "ids"}


def _empty_like(file: h5py.File, name: str, rows: h5py.Dataset, length: int) -> None:
    shape = (length, *rows.shape[1:])
    file.create_dataset(name, shape, rows.dtype, chunks=rows.chunks, compression=rows.compression)


class EmbeddingStore(Container):
    """Embeddings opened for reading."""

    schema = SCHEMA
    version = VERSION

    @property
    def names(self) -> list[str]:
        """Names of the embedding tables, sorted."""
        return sorted(self.file["embeddings"])  # type: ignore[arg-type]

    def embeddings(self, name: str) -> Float32[np.ndarray, "n d"]:
        """The whole table of one name."""
        return self.dataset(f"embeddings/{name}")[:]

    @property
    def cell_names(self) -> list[str]:
        """Names of the networks whose features of cells are kept, sorted."""
        return sorted(self.file["cells"]) if "cells" in self.file else []  # type: ignore[arg-type]

    def cells(self, name: str, images: Int64[np.ndarray, " m"]) -> Float16[np.ndarray, "m g g d"]:
        """Features of one name in the cells of the images with these indices, ascending.

        InputError when those of an image are not kept.
        """
        kept = self.dataset("cell_images")[:]
        missing = np.setdiff1d(images, kept)
        if len(missing):
            raise InputError(
                f"{self.path} has cells of {len(kept)} images and none of {self.ids[missing[0]]}; add its split to "
                "embed.cells.splits, or leave embed.cells.networks empty to cluster no pixels"
            )
        rows = np.searchsorted(kept, images)
        stored = self.dataset(f"cells/{name}")
        return stored[:] if len(rows) == len(kept) else stored[rows]

    def saliency(self, i: int) -> UInt8[np.ndarray, "s s"]:
        """The predicted probability of image i times 255."""
        return self.dataset("saliency")[i]

    def foreground(self, i: int) -> Bool[np.ndarray, "s s"]:
        """Where image i is predicted salient."""
        return self.saliency(i) > cutoff(self.metadata["threshold"])
