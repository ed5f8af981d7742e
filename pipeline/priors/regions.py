"""Nested regions: a watershed, merged into layers whose regions are ever larger."""

import heapq
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8
from scipy.ndimage import find_objects
from skimage.color import rgb2gray
from skimage.color.colorconv import rgb2luv
from skimage.filters import gaussian, sobel
from skimage.segmentation import watershed

from pipeline.priors.superpixels import adjacent_pairs, consecutive, region_means


def nested_regions(
    image: UInt8[np.ndarray, "h w 3"], smoothing: float, sides: Sequence[int]
) -> list[Int64[np.ndarray, "h w"]]:
    """One layer for every side, fine to coarse: regions that a square of so many pixels fits into.

    Every region lies within one of the next layer. The gradient is taken of the image after a Gaussian of `smoothing`
    pixels, since a watershed of the noise would have a region for every grain.
    """
    labels = consecutive(watershed(sobel(gaussian(rgb2gray(image), smoothing))).astype(np.int64))
    regions = Regions(labels, rgb2luv(image))
    layers = []
    for side in sides:
        merge_small(regions, side)
        layers.append(consecutive(regions.labels))
    return layers


def holds_square(labels: Int64[np.ndarray, "h w"], side: int) -> Bool[np.ndarray, " n"]:
    """Which regions a square of `side` pixels fits into."""
    held = np.full(int(labels.max()) + 1, side == 1)
    if side > 1:
        # A square is of one region when no border between two pixels runs through it.
        across = all_in_window(labels[:, 1:] == labels[:, :-1], side, side - 1)
        along = all_in_window(labels[1:] == labels[:-1], side - 1, side)
        held[labels[: len(along), : across.shape[1]][across & along]] = True
    return held


def all_in_window(mask: Bool[np.ndarray, "h w"], height: int, width: int) -> Bool[np.ndarray, "h2 w2"]:
    """Whether the mask is true in a whole window, for every place of its upper left corner."""
    for size in (height, width):
        covered = 1
        while covered < size:
            step = min(covered, size - covered)
            mask, covered = mask[:-step] & mask[step:], covered + step
        mask = mask.T
    return mask


def merge_small(regions: "Regions", side: int) -> None:
    """Merge every region that no square of `side` pixels fits into with its neighbour of nearest mean colour.

    The smallest region is merged first; regions that are merged and still too small wait for their turn again.
    """
    held = holds_square(regions.labels, side)
    small = np.array(regions.area) > 0  # the others have gone into their neighbours
    small[: len(held)] &= ~held
    waiting = [(regions.area[i], i) for i in np.flatnonzero(small).tolist()]
    heapq.heapify(waiting)
    while waiting:
        area, i = heapq.heappop(waiting)
        if regions.area[i] != area or not regions.neighbours[i]:
            continue  # it has grown or gone since, or is the whole image
        j = regions.nearest(i)
        regions.merge(i, j)
        if small[j]:
            small[j] = not regions.holds_square(j, side)
            if small[j]:
                heapq.heappush(waiting, (regions.area[j], j))


class Regions:
    """Area, mean colour, neighbours and window of regions that are merged one by one; plain lists, for speed."""

    def __init__(self, labels: Int64[np.ndarray, "h w"], colours: Float64[np.ndarray, "h w 3"]) -> None:
        self.labels = labels.copy()
        self.area: list[int] = np.bincount(labels.ravel()).tolist()
        self.colour: list[list[float]] = region_means(labels, colours).tolist()
        self.window = find_objects(labels + 1)
        self.neighbours: list[set[int]] = [set() for _ in self.area]
        for i, j in adjacent_pairs(labels).tolist():
            self.neighbours[i].add(j)
            self.neighbours[j].add(i)

    def nearest(self, i: int) -> int:
        """The neighbour of i with the nearest mean colour."""
        x, y, z = self.colour[i]

        def distance(j: int) -> tuple[float, int]:
            u, v, w = self.colour[j]
            return (u - x) ** 2 + (v - y) ** 2 + (w - z) ** 2, j

        return min(self.neighbours[i], key=distance)

    def merge(self, i: int, j: int) -> None:
        """Make region i a part of its neighbour j."""
        part = self.labels[self.window[i]]
        part[part == i] = j
        share = self.area[i] / (self.area[i] + self.area[j])
        self.colour[j] = [share * x + (1 - share) * y for x, y in zip(self.colour[i], self.colour[j], strict=True)]
        self.area[i], self.area[j] = 0, self.area[i] + self.area[j]
        self.window[j] = tuple(
            slice(min(one.start, other.start), max(one.stop, other.stop))
            for one, other in zip(self.window[i], self.window[j], strict=True)
        )
        for k in self.neighbours[i]:
            self.neighbours[k].remove(i)
            if k != j:
                self.neighbours[k].add(j)
                self.neighbours[j].add(k)

    def holds_square(self, i: int, side: int) -> bool:
        """Whether a square of `side` pixels fits into region i."""
        window = self.window[i]
        if self.area[i] < side**2 or any(extent.stop - extent.start < side for extent in window):
            return False  # most are, and this is told without looking at a pixel
        return bool(all_in_window(self.labels[window] == i, side, side).any())
