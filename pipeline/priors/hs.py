"""Hierarchical saliency: contrast and location at several scales of regions, brought to agree along their tree.

Q. Yan, L. Xu, J. Shi, J. Jia, "Hierarchical saliency detection", CVPR 2013.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from scipy.sparse import csc_array, diags_array
from scipy.sparse.linalg import spsolve
from skimage.color import rgb2lab

from pipeline.params import Hs
from pipeline.priors.regions import nested_regions
from pipeline.priors.superpixels import paint, pixel_grid, region_means, unit_range

# Longest side in pixels of the images that the sides of the regions are given for.
REFERENCE_SIDE = 400
# Pixels of the Gaussian before the gradient, at that size; 1 at 256 px, where 0.5 scored 0.625 instead of 0.641.
SMOOTHING = 1.6
# No region is smaller: below, the finest layer is the noise of the watershed.
LEAST_SIDE = 3
# Squared reach of the contrast, in (sides of the image)^2 for each pixel of a layer's smallest side.
REACH = 0.2**2
# Regions whose contrast is computed at a time; their distances to all others then stay in the cache.
ROWS = 64


def hs(image: UInt8[np.ndarray, "h w 3"], settings: Hs) -> Float32[np.ndarray, "h w"]:
    """Saliency in [0, 1] of an RGB image; all zero when no region stands out."""
    factor = max(image.shape) / REFERENCE_SIDE
    layers = nested_regions(
        image, SMOOTHING * factor, [max(LEAST_SIDE, round(side * factor)) for side in settings.regions]
    )
    lab, grid = rgb2lab(image), pixel_grid(*image.shape[:2])
    cues = [
        layer_cue(labels, lab, grid, REACH * side, settings.centre)
        for labels, side in zip(layers, settings.regions, strict=True)
    ]
    finest, *_ = agreed(cues, parents(layers), settings.confidence, settings.consistency)
    return paint(layers[0], unit_range(finest))


def layer_cue(
    labels: Int64[np.ndarray, "h w"],
    lab: Float64[np.ndarray, "h w 3"],
    grid: Float64[np.ndarray, "h w 2"],
    reach: float,
    centre: float,
) -> Float64[np.ndarray, " n"]:
    """Colour contrast of every region to the others, the near and large ones most, times nearness to the centre."""
    nearness = np.exp(-centre * ((grid - 0.5) ** 2).sum(axis=2))
    means = region_means(labels, np.dstack([lab, grid, nearness]))
    contrast = local_contrast(means[:, :3], means[:, 3:5], np.bincount(labels.ravel()), reach)
    return unit_range(unit_range(contrast) * means[:, 5])


def local_contrast(
    colours: Float64[np.ndarray, "n 3"],
    positions: Float64[np.ndarray, "n 2"],
    area: Int64[np.ndarray, " n"],
    reach: float,
) -> Float64[np.ndarray, " n"]:
    """Sum over all other regions of area times colour distance, less with the squared distance over `reach`.

    A fine layer has thousands of regions: single precision and a few rows at a time make it six times as fast.
    """
    colours, positions = colours.astype(np.float32), positions.astype(np.float32) / np.float32(np.sqrt(reach))
    sums = [
        (np.sqrt(squared_distances(colours[part], colours)) * np.exp(-squared_distances(positions[part], positions)))
        @ area.astype(np.float32)
        for part in (slice(start, start + ROWS) for start in range(0, len(area), ROWS))
    ]
    return np.concatenate(sums).astype(np.float64)


def squared_distances(
    points: Float32[np.ndarray, "n d"], others: Float32[np.ndarray, "m d"]
) -> Float32[np.ndarray, "n m"]:
    """Squared Euclidean distances of all pairs."""
    found = np.zeros((len(points), len(others)), dtype=np.float32)
    for one, other in zip(points.T, others.T, strict=True):
        found += np.square(one[:, None] - other)
    return found


def parents(layers: Sequence[Int64[np.ndarray, "h w"]]) -> list[Int64[np.ndarray, " _"]]:
    """For each layer but the last, the region of the next layer that each of its regions lies in."""
    found = []
    for fine, coarse in itertools.pairwise(layers):
        parent = np.empty(int(fine.max()) + 1, dtype=np.int64)
        parent[fine] = coarse
        found.append(parent)
    return found


def agreed(
    cues: Sequence[Float64[np.ndarray, " _"]],
    parent: Sequence[Int64[np.ndarray, " _"]],
    confidence: Sequence[float],
    consistency: float,
) -> list[Float64[np.ndarray, " _"]]:
    """The saliency s of all layers that minimises sum confidence (s - cue)^2 + consistency (s - s of the parent)^2.

    The authors send messages along the tree; its minimum is the solution of one sparse system.
    """
    sizes = [len(cue) for cue in cues]
    starts = np.cumsum([0, *sizes])
    child = np.concatenate([start + np.arange(len(up)) for start, up in zip(starts, parent, strict=False)] or [[]])
    above = np.concatenate([start + up for start, up in zip(starts[1:], parent, strict=False)] or [[]])
    total = int(starts[-1])
    links = csc_array((np.full(len(child), consistency), (child.astype(int), above.astype(int))), shape=(total, total))
    links = links + links.T
    weights = np.repeat(confidence, sizes)
    system = diags_array(weights + links.sum(axis=1)) - links
    solution = np.asarray(spsolve(system.tocsc(), weights * np.concatenate(cues)))
    return np.split(solution, starts[1:-1])
