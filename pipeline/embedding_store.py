"""Mask embeddings and predicted saliency of every image, in one HDF5 file (schema `maskcontrast/embeddings`).

- `saliency`: uint8 [n, s, s], predicted probability times 255, one image a chunk, gzip;
- `embeddings/<name>`: float32 [n, d], unit norm, zero where nothing is salient; `maskcontrast` are the mask
  embeddings, `start` the starting weights' features pooled over the same pixels, as the baseline;
- `cells/start`: float16 [m, g, g, d], the starting weights' last features averaged in g x g cells, for the m images
  (ids ascending) of split `metadata["split"]`;
- `ids` and attributes as in `packed`; `metadata["threshold"]` is the probability above which a pixel is salient.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import h5py
import numpy as np
from jaxtyping import Bool, Float16, Float32, UInt8

from pipeline.packed import Container, replacing, require_sorted, write_header

SCHEMA, VERSION = "maskcontrast/embeddings", 1


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
) -> None:
    """Write saliency maps (streamed), embedding tables and features of cells for the images `ids` (ascending)."""
    require_sorted(ids, path)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        write_header(file, SCHEMA, VERSION, ids, metadata)
        shape = (len(ids), size, size)
        stored = file.create_dataset("saliency", shape, np.uint8, chunks=(1, size, size), compression="gzip")
        for i, probability in enumerate(saliency):
            stored[i] = probability
        for name, table in sorted(embeddings.items()):
            file[f"embeddings/{name}"] = table
        for name, features in sorted(cells.items()):
            file[f"cells/{name}"] = features


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

    def cells(self, name: str) -> Float16[np.ndarray, "m g g d"]:
        """Features of one name in the cells of the images of split `metadata["split"]`, ids ascending."""
        return self.dataset(f"cells/{name}")[:]

    def foreground(self, i: int) -> Bool[np.ndarray, "s s"]:
        """Where image i is predicted salient."""
        return self.dataset("saliency")[i] > cutoff(self.metadata["threshold"])
