"""Decoded images kept in memory, as many as a number of bytes allows."""

import mmap
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64, UInt8

from pipeline.images.datasets import ImageSet


class DecodedImages:
    """The images of a set, of which the first of `indices` are decoded once and kept while `budget` bytes last.

    The others are decoded each time: when every epoch shows all of them, whatever one makes room for is no better.
    All is in one piece of memory, shared with the processes forked from this one, so that a loader process finds what
    others decoded, in epochs before too. It takes memory only as it fills. A copy made by pickling keeps nothing.
    """

    def __init__(self, images: ImageSet, indices: Int64[np.ndarray, " m"] | Sequence[int], budget: int) -> None:
        self.images = images
        # A byte before each image tells whether it is there.
        ends = np.cumsum(3 * images.sizes[indices].prod(axis=1) + 1)
        kept = int(np.searchsorted(ends, budget, side="right"))
        starts = [0, *ends[:kept].tolist()]
        self._starts = dict(zip(np.asarray(indices).tolist(), starts[:-1], strict=False))
        self._memory = np.frombuffer(mmap.mmap(-1, max(1, starts[-1])), dtype=np.uint8)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_starts": {}, "_memory": None}

    def rgb(self, i: int) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels of image i at its original size; not to be written to."""
        start = self._starts.get(i)
        if start is None:
            return self.images.rgb(i)
        height, width = self.images.sizes[i]
        pixels = self._memory[start + 1 :][: 3 * height * width].reshape(height, width, 3)
        if not self._memory[start]:
            pixels[:] = self.images.rgb(i)
            self._memory[start] = 1
        return pixels
