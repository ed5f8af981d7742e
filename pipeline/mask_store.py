"""Object masks in one HDF5 file: one row for every image of the set, in the order of its ids.

Layout (schema `maskcontrast/masks`, version 1):

- `masks`: uint8 [n, max height, ceil(max width / 8)], bits packed along the width, one image a chunk, gzip;
- `ids`: ASCII [n]; `height`, `width`: int32 [n]; `area`: int64 [n], foreground pixels;
- `rejected`: uint8 [n], 1 where no usable mask was found (the row is then empty); attributes as in `packed`.

Three lines read a mask with plain h5py:

    with h5py.File("data/masks/target.h5") as f:
        i = list(f["ids"].asstr()).index("2007_000033")
        mask = np.unpackbits(f["masks"][i], axis=1)[: f["height"][i], : f["width"][i]]
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Bool, Int

from pipeline.packed import Container, replacing, require_sorted, write_header

SCHEMA, VERSION = "maskcontrast/masks", 1


def write_masks(
    path: Path,
    ids: list[str],
    sizes: Int[np.ndarray, "n 2"],
    masks: Iterable[Bool[np.ndarray, "_ _"]],
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Write one mask an image, in the order of `ids` (ascending); an empty mask marks a rejected image.

    `sizes` holds height and width of every image, known before the masks so that they can be streamed.
    Raises ValueError when a mask has another size than announced.
    """
    require_sorted(ids, path)
    tallest, widest = (int(side) for side in sizes.max(axis=0))
    row = (tallest, -(-widest // 8))
    area = np.zeros(len(ids), dtype=np.int64)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        write_header(file, SCHEMA, VERSION, ids, metadata or {})
        stored = file.create_dataset(
            "masks", (len(ids), *row), np.uint8, chunks=(1, *row), compression="gzip", compression_opts=6
        )
        for i, (mask, size) in enumerate(zip(masks, sizes, strict=True)):
            if mask.shape != tuple(size):
                raise ValueError(f"mask of {ids[i]} is {mask.shape}, not {tuple(size.tolist())}")
            padded = np.zeros(row, dtype=np.uint8)
            packed = np.packbits(mask, axis=1)
            padded[: packed.shape[0], : packed.shape[1]] = packed
            stored[i], area[i] = padded, mask.sum()
        file["height"], file["width"] = sizes[:, 0].astype(np.int32), sizes[:, 1].astype(np.int32)
        file["area"], file["rejected"] = area, (area == 0).astype(np.uint8)


class MaskStore(Container):
    """Masks opened for reading: `store[i]` is the boolean mask of image i at its original size."""

    schema = SCHEMA
    version = VERSION

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.height: np.ndarray = self.dataset("height")[:]
        self.width: np.ndarray = self.dataset("width")[:]
        self.area: np.ndarray = self.dataset("area")[:]
        self.rejected: np.ndarray = self.dataset("rejected")[:].astype(bool)

    def __getitem__(self, i: int) -> Bool[np.ndarray, "h w"]:
        bits = np.unpackbits(self.dataset("masks")[i], axis=1, count=int(self.width[i]))
        return bits[: self.height[i]].view(bool)
