"""Object masks in one HDF5 file: one row for every image of the set, in the order of its ids.

Layout (schema `maskcontrast/masks`, version 2):

- `masks`: uint8 [n, max height, ceil(max width / 8)], bits packed along the width, one image a chunk, gzip:
  the pixels of all objects of an image;
- `ids`: as in `packed`; `height`, `width`: int32 [n]; `area`: int64 [n], foreground pixels;
- `rejected`: ASCII [n], empty where there is a usable mask, else why there is none; the row is then empty, and
  `area` counts the pixels that were found before;
- `objects`: uint8 [m, as above], one object a row, of the images that have several, which `object_image`
  (int64 [m], ascending) names by their index; an image that does not stand there has its mask as its one object;
- attributes as in `packed`; `metadata` tells where all masks come from: what they were made of (`proposal`),
  `estimator`, `weights` (sha256 of its network), `supervision`, and the thresholds of every step.

Three lines read a mask with plain h5py:

    with h5py.File("data/masks/target.h5") as f:
        i = list(f["ids"].asstr()).index("2007_000033")
        mask = np.unpackbits(f["masks"][i], axis=1)[: f["height"][i], : f["width"][i]]
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Bool, Integer, UInt8

from pipeline.packed import Container, replacing, require_sorted, write_header

SCHEMA, VERSION = "maskcontrast/masks", 2

ObjectMap = Bool[np.ndarray, "_ _"] | Integer[np.ndarray, "_ _"]
"""Which object every pixel belongs to: 0 none, 1 and above its number; a boolean map holds one object."""


def write_masks(
    path: Path,
    ids: list[str],
    sizes: Integer[np.ndarray, "n 2"],
    masks: Iterable[ObjectMap],
    metadata: Mapping[str, object] | None = None,
    rejected: Mapping[str, str] | None = None,
) -> None:
    """Write the objects of every image, in the order of `ids` (ascending).

    `sizes` holds height and width of every image, known before the masks so that they can be streamed. `rejected`
    tells by id why an image has no usable mask, which is then not stored; an entry is looked up when its mask comes,
    so the iterator may add to them as it goes. An empty mask is rejected as `empty`.
    Raises ValueError when a mask has another size than announced.
    """
    require_sorted(ids, path)
    tallest, widest = (int(side) for side in sizes.max(axis=0))
    row = (tallest, -(-widest // 8))
    area, reasons, object_image = np.zeros(len(ids), dtype=np.int64), [""] * len(ids), []
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        write_header(file, SCHEMA, VERSION, ids, metadata or {})
        stored = _rows(file, "masks", len(ids), row)
        objects = _rows(file, "objects", 0, row)
        for i, (mask, size) in enumerate(zip(masks, sizes, strict=True)):
            if mask.shape != tuple(size):
                raise ValueError(f"mask of {ids[i]} is {mask.shape}, not {tuple(size.tolist())}")
            area[i] = np.count_nonzero(mask)
            reasons[i] = (rejected or {}).get(ids[i], "" if area[i] else "empty")
            if reasons[i]:
                continue
            stored[i] = _packed(mask != 0, row)
            several = _numbers(mask)
            objects.resize(len(object_image) + len(several), axis=0)
            for number in several:
                objects[len(object_image)] = _packed(mask == number, row)
                object_image.append(i)
        file["height"], file["width"] = sizes[:, 0].astype(np.int32), sizes[:, 1].astype(np.int32)
        file["area"], file["rejected"] = area, np.array(reasons, dtype="S")
        file["object_image"] = np.array(object_image, dtype=np.int64)


def _rows(file: h5py.File, name: str, count: int, row: tuple[int, int]) -> h5py.Dataset:
    return file.create_dataset(
        name, (count, *row), np.uint8, maxshape=(None, *row), chunks=(1, *row), compression="gzip", compression_opts=6
    )


def _packed(mask: Bool[np.ndarray, "h w"], row: tuple[int, int]) -> UInt8[np.ndarray, "rows columns"]:
    padded = np.zeros(row, dtype=np.uint8)
    packed = np.packbits(mask, axis=1)
    padded[: packed.shape[0], : packed.shape[1]] = packed
    return padded


def _numbers(mask: ObjectMap) -> list[int]:
    """The numbers of the objects, ascending, where there are several; a lone one is the mask itself."""
    found = [] if mask.dtype == bool else np.unique(mask[mask > 0]).tolist()
    return found if len(found) > 1 else []


class MaskStore(Container):
    """Masks opened for reading: `store[i]` is the boolean mask of image i at its original size, all objects together.

    `rejected` tells which images have none, `reasons` why (an empty string for the others).
    """

    schema = SCHEMA
    version = VERSION

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.height: np.ndarray = self.dataset("height")[:]
        self.width: np.ndarray = self.dataset("width")[:]
        self.area: np.ndarray = self.dataset("area")[:]
        self.reasons: list[str] = [reason.decode() for reason in self.dataset("rejected")[:]]
        self.rejected: np.ndarray = np.array([reason != "" for reason in self.reasons], dtype=bool)
        self.object_image: np.ndarray = self.dataset("object_image")[:]

    def __getitem__(self, i: int) -> Bool[np.ndarray, "h w"]:
        return self._unpacked(self.dataset("masks")[i], i)

    def objects(self, i: int) -> Bool[np.ndarray, "k h w"]:
        """The objects of image i, no two of which share a pixel; none where it is rejected."""
        first, last = np.searchsorted(self.object_image, [i, i + 1])
        if first < last:
            return np.stack([self._unpacked(row, i) for row in self.dataset("objects")[first:last]])
        return self[i][None][: 0 if self.rejected[i] else 1]

    def _unpacked(self, row: UInt8[np.ndarray, "rows columns"], i: int) -> Bool[np.ndarray, "h w"]:
        bits = np.unpackbits(row, axis=1, count=int(self.width[i]))
        return bits[: self.height[i]].view(bool)
