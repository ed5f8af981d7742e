"""Scores of saliency maps against ground truth, computed per image, then averaged.

All but the weighted F-measure follow from one histogram an image: how many object and how many background pixels have
each of the 256 grey levels, in each quadrant around the objects' centroid. All 256 thresholds come from its cumulative
sums, which is exact for maps stored in 8 bits; other maps are rounded to 8 bits first, for every score alike.
Pixels labelled 255 are ignored: they stand in no histogram, so that they change no mean, no threshold and no centroid.
"""

import numpy as np
from jaxtyping import Float, Float64, Int64, UInt8

from pipeline.metrics.alignment import e_measure
from pipeline.metrics.confusion import IGNORED
from pipeline.metrics.structure import LEVELS, quadrants, s_measure
from pipeline.metrics.weighted_f import WeightedF

HALF = 128  # the lowest level above 0.5


def object_labels(labels: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """1 where any object is, 0 on background; 255 (ignored) is kept."""
    return np.where(labels == IGNORED, IGNORED, labels > 0).astype(np.uint8)


def grey_levels(saliency: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """The nearest of the 256 levels of a map in [0, 1]."""
    return (saliency * (LEVELS - 1) + 0.5).astype(np.uint8)


class GroundTruth:
    """The objects of one image, and what the scores of all its maps need of them, worked out once."""

    def __init__(self, labels: UInt8[np.ndarray, "h w"]) -> None:
        """`labels`: 0 background, 255 ignored, anything else object; at least one pixel is not ignored."""
        kinds = object_labels(labels)
        objects = kinds == 1
        self.weighted_f = WeightedF(objects, kinds == 0)
        # Quadrant, kind (ignored as the third) and level make one number, which a single bincount counts.
        self._codes = (quadrants(objects) * 3 + np.minimum(kinds, 2)) * LEVELS

    def level_counts(self, levels: UInt8[np.ndarray, "h w"]) -> Int64[np.ndarray, "4 2 256"]:
        """Pixels of every quadrant, kind (background, object) and grey level."""
        counts = np.bincount((self._codes + levels).ravel(), minlength=4 * 3 * LEVELS)
        return counts.reshape(4, 3, LEVELS)[:, :2]


class SaliencyScores:
    """Sums over images, from which `summary` takes the means; memory does not grow with the number of images."""

    def __init__(self, beta_squared: float) -> None:
        self.beta_squared = beta_squared
        self.images = 0
        self._curves: dict[str, Float64[np.ndarray, " 256"]] = {}
        self._sums: dict[str, float] = {}

    def add(self, saliency: Float[np.ndarray, "h w"], truth: GroundTruth) -> dict[str, float]:
        """Add the map in [0, 1] of one image and return the image's own scores, those of `summary` but the maxima."""
        levels = grey_levels(saliency)
        counts = truth.level_counts(levels)
        on_background, on_object = counts.sum(axis=0)
        # Entry t counts the pixels whose level is at least t.
        hits, alarms = on_object[::-1].cumsum()[::-1], on_background[::-1].cumsum()[::-1]
        f, e, iou = self._f_measure(hits, alarms), e_measure(hits, alarms), hits / np.maximum(1, hits[0] + alarms)
        adaptive = adaptive_level(on_object + on_background)
        scores = {
            "mae": mean_absolute_error(on_object, on_background),
            "adaptive_f": float(f[adaptive]),
            "f_at_half": float(f[HALF]),
            "weighted_f": truth.weighted_f(levels / (LEVELS - 1)),
            "s_measure": s_measure(counts),
            "adaptive_e": float(e[adaptive]),
            "mean_e": float(e.mean()),
            "iou_at_half": float(iou[HALF]),
        }
        self.images += 1
        for name, curve in (("max_f", f), ("max_e", e), ("max_iou", iou)):
            self._curves[name] = self._curves.get(name, 0) + curve
        for name, score in scores.items():
            self._sums[name] = self._sums.get(name, 0) + score
        return scores

    def _f_measure(
        self, hits: Int64[np.ndarray, " 256"], alarms: Int64[np.ndarray, " 256"]
    ) -> Float64[np.ndarray, " 256"]:
        # (1 + b) P R / (b P + R) with precision and recall written out: it never divides by an empty prediction.
        weighted = self.beta_squared * hits[0] + hits + alarms
        return (1 + self.beta_squared) * hits / np.maximum(weighted, 1e-12)

    def summary(self) -> dict[str, int | float]:
        """`images`, and with at least one image the mean scores, in [0, 1] (E may exceed 1 by the share of a pixel).

        `max_f`, `max_e` and `max_iou` are maxima of mean curves: the score at each of the 256 thresholds is averaged
        over images first. `mean_e` is the mean over thresholds, `adaptive_*` the score at twice the image's mean
        saliency, `*_at_half` that above 0.5; `mae`, `weighted_f` and `s_measure` need no threshold.
        An image without any object pixel has F, weighted F and IoU 0; S and E then reward a dark map.
        """
        maxima = {name: float(curve.max() / self.images) for name, curve in self._curves.items()}
        return {"images": self.images, **maxima, **{name: total / self.images for name, total in self._sums.items()}}


def mean_absolute_error(on_object: Int64[np.ndarray, " 256"], on_background: Int64[np.ndarray, " 256"]) -> float:
    """Mean difference in [0, 1] of map and ground truth, from the pixels of each grey level."""
    levels = np.arange(LEVELS)
    error = int(levels[::-1] @ on_object + levels @ on_background)
    return error / (LEVELS - 1) / int((on_object + on_background).sum())


def adaptive_level(counts: Int64[np.ndarray, " 256"]) -> int:
    """Twice the mean level, rounded up to a level in whole numbers; at most 255."""
    return min(-(-2 * int(np.arange(LEVELS) @ counts) // int(counts.sum())), LEVELS - 1)
