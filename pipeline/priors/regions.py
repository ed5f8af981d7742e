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

# Pixels of the Gaussian that the gradient is taken of: a watershed of the noise would have a region for every grain.
SMOOTHING = 1.0


def nested_regions(image: UInt8[np.ndarray, "h w 3"], sides: Sequence[int]) -> list[Int64[np.ndarray, "h w"]]:
    """One layer for every side, fine to coarse: regions that a square of so many pixels fits into.

    Every region lies within one of the next layer.
    """
    luv = rgb2luv(image)
    labels = consecutive(watershed(sobel(gaussian(rgb2gray(image), SMOOTHING))).astype(np.int64))
    layers = []
    for side in sides:
        labels = merge_small(labels, luv, side)
        layers.append(labels)
    return layers


def holds_square(labels: Int64[np.ndarray, "h w"], side: int) -> Bool[np.ndarray, " n"]:
    """Which regions a square of `side` pixels fits into."""
    uniform, size = np.ones(labels.shape, dtype=bool), 1
    corner = labels
    while size < side and uniform.size:
        # Squares that overlap by a pixel and are uniform make a larger one; of single pixels the labels decide.
        step = max(1, min(size - 1, side - size))
        quarters = [corner[:-step, :-step], corner[step:, :-step], corner[:-step, step:], corner[step:, step:]]
        corner = quarters[0]
        same = uniform[:-step, :-step] & uniform[step:, :-step] & uniform[:-step, step:] & uniform[step:, step:]
        uniform = same & np.logical_and.reduce([quarters[0] == other for other in quarters[1:]])
        size += step
    held = np.zeros(int(labels.max()) + 1, dtype=bool)
    held[corner[uniform]] = True
    return held


def merge_small(
    labels: Int64[np.ndarray, "h w"], colours: Float64[np.ndarray, "h w 3"], side: int
) -> Int64[np.ndarray, "h w"]:
    """Merge every region that no square of `side` pixels fits into with its neighbour of nearest mean colour.

    The smallest region is merged first; regions that are merged and still too small wait for their turn again.
    """
    regions = Regions(labels, colours)
    small = ~holds_square(labels, side)
    waiting = [(regions.area[i], i) for i in np.flatnonzero(small).tolist()]
    heapq.heapify(waiting)
    while waiting:
        area, i = heapq.heappop(waiting)
        if regions.area[i] != area or not regions.neighbours[i]:
            continue  # it has grown or gone since, or is the whole image
        j = regions.nearest(i)
        regions.merge(i, j)
        if small[j]:
            small[j] = regions.area[j] < side**2 or not regions.holds_square(j, side)
            if small[j]:
                heapq.heappush(waiting, (regions.area[j], j))
    return consecutive(regions.labels)


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
        inside = (self.labels[self.window[i]] == i).astype(np.int64)
        return bool(holds_square(inside, side)[-1])
