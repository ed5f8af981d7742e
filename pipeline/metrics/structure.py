"""S-measure: how alike a saliency map and the objects are in structure (Fan et al., ICCV 2017).

Both of its halves need only how often each grey level occurs on objects and on background in the four quadrants
around the objects' centroid, so that one histogram an image serves it and the scores of all thresholds.
"""

import numpy as np
from jaxtyping import Bool, Float64, Int64

LEVELS = 256
GREY = np.arange(LEVELS) / (LEVELS - 1)


def quadrants(objects: Bool[np.ndarray, "h w"]) -> Int64[np.ndarray, "h w"]:
    """0 to 3, row by row: the parts of the image around the centroid, whose row and column belong above and left.

    Without an object the whole image is part 0.
    """
    rows, columns = np.nonzero(objects)
    if not len(rows):
        return np.zeros(objects.shape, dtype=np.int64)
    below = np.arange(objects.shape[0]) > np.round(rows.mean())
    right = np.arange(objects.shape[1]) > np.round(columns.mean())
    return 2 * below[:, None].astype(np.int64) + right


def s_measure(counts: Int64[np.ndarray, "4 2 256"]) -> float:
    """S-measure in [0, 1], alpha 0.5, from the pixels of every quadrant, background or object, and grey level.

    Without an object it is 1 - mean, with nothing but objects the mean. A quadrant whose map is constant and which
    holds no object, or nothing else, counts as 1 (exactly; in rounded arithmetic this would be a matter of luck).
    """
    background, objects = counts.sum(axis=0)
    pixels = counts.sum()
    if not objects.any() or not background.any():
        mean = float(GREY @ (background + objects)) / pixels
        return mean if objects.any() else 1 - mean
    share = objects.sum() / pixels
    by_object = share * _object_score(objects) + (1 - share) * _object_score(background[::-1])
    by_region = counts.sum(axis=(1, 2)) / pixels @ _region_scores(counts)
    return max(0.0, float(by_object + by_region) / 2)


def _object_score(counts: Int64[np.ndarray, " 256"]) -> float:
    pixels = counts.sum()
    mean = float(GREY @ counts) / pixels
    deviation = np.sqrt((GREY - mean) ** 2 @ counts / max(1, pixels - 1))
    return 2 * mean / (mean**2 + 1 + deviation)


def _region_scores(counts: Int64[np.ndarray, "4 2 256"]) -> Float64[np.ndarray, " 4"]:
    """Structural similarity of the map x and the objects y in each quadrant; an empty quadrant has 1."""
    pixels = np.maximum(1, counts.sum(axis=(1, 2)))
    levels, on_object = counts.sum(axis=1), counts.sum(axis=2)[:, 1]
    # Whole numbers until the division, so that a constant map has its own level as mean and no variance.
    x = levels @ np.arange(LEVELS) / pixels / (LEVELS - 1)
    y = on_object / pixels
    from_mean = GREY - x[:, None]
    freedom = np.maximum(1, pixels - 1)
    x_variance = (from_mean**2 * levels).sum(axis=1) / freedom
    y_variance = on_object * (1 - y) / freedom
    covariance = (from_mean * (counts[:, 1] * (1 - y)[:, None] - counts[:, 0] * y[:, None])).sum(axis=1) / freedom
    same = 4 * x * y * covariance
    most = (x**2 + y**2) * (x_variance + y_variance)
    return np.where(most > 0, same / np.where(most > 0, most, 1), 1.0)
