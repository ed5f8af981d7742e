"""Drawn borders: they would be the whole background of every prior that starts from the image border."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from skimage.color import rgb2gray
from skimage.filters import sobel

# Deepest frame looked for, as a fraction of the image's longest side: 30 pixels of 400.
DEEPEST = 0.075
# Fraction of a row or column that must be edge for it to be the inner end of a frame.
EDGE_DENSITY = 0.6
# An edge is this many times stronger than the mean gradient: a threshold that no contrast or texture changes.
EDGE_STRENGTH = 2.0

Prior = Callable[[UInt8[np.ndarray, "h w 3"]], Float32[np.ndarray, "h w"]]


def frame_widths(image: UInt8[np.ndarray, "h w 3"]) -> tuple[int, int, int, int]:
    """Width in pixels of the drawn border at the top, bottom, left and right; all 0 for an image without one.

    One straight line along a side is found in many photographs (a horizon, a table), so a frame is only
    what shows on two sides; a side where it cannot be seen then takes the widest width found (Zhu et al. 2014).
    """
    gradient = sobel(rgb2gray(image))
    edges = gradient > EDGE_STRENGTH * gradient.mean()
    # No side may lose more than a quarter of the image.
    deepest = round(DEEPEST * max(edges.shape))
    rows, columns = (min(deepest, length // 4) for length in edges.shape)
    top, bottom = frame_width(edges, rows), frame_width(edges[::-1], rows)
    left, right = frame_width(edges.T, columns), frame_width(edges.T[::-1], columns)
    found = top, bottom, left, right
    if np.count_nonzero(found) < 2:
        return 0, 0, 0, 0
    widest = max(found)
    return (
        top or min(widest, rows),
        bottom or min(widest, rows),
        left or min(widest, columns),
        right or min(widest, columns),
    )


def frame_width(edges: Bool[np.ndarray, "h w"], deepest: int) -> int:
    """Rows up to and including the last of the first `deepest` rows that is an edge nearly from end to end."""
    lines = np.flatnonzero(edges[:deepest].mean(axis=1) > EDGE_DENSITY)
    return int(lines[-1]) + 1 if len(lines) else 0


def without_frame(image: UInt8[np.ndarray, "h w 3"], prior: Prior) -> Float32[np.ndarray, "h w"]:
    """The prior of what is inside the drawn border, pasted back with 0 on the border."""
    height, width = image.shape[:2]
    top, bottom, left, right = frame_widths(image)
    inside = slice(top, height - bottom), slice(left, width - right)
    saliency = np.zeros((height, width), dtype=np.float32)
    saliency[inside] = prior(np.ascontiguousarray(image[inside]))
    return saliency
