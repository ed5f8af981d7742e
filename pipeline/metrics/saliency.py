"""Scores of saliency maps against ground truth: MAE, F-measure, IoU; computed per image, then averaged.

Everything follows from one histogram an image: how many object and how many background pixels have each of the
256 grey levels. All 256 thresholds come from its cumulative sums, which is exact for maps stored in 8 bits.
"""

import numpy as np
from jaxtyping import Float, Float64, Int64, UInt8

from pipeline.metrics.confusion import IGNORED, Confusion, joint_counts

LEVELS = 256
HALF = 128  # the lowest level above 0.5


def object_labels(labels: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """1 where any object is, 0 on background; 255 (ignored) is kept."""
    return np.where(labels == IGNORED, IGNORED, labels > 0).astype(np.uint8)


def level_counts(
    saliency: Float[np.ndarray, "h w"], labels: UInt8[np.ndarray, "h w"]
) -> tuple[Int64[np.ndarray, " 256"], Int64[np.ndarray, " 256"]]:
    """Pixels of each grey level on the object and on background, of a map in [0, 1]; label 255 is left out."""
    levels = (saliency * (LEVELS - 1) + 0.5).astype(np.uint8)
    counts = joint_counts(levels, object_labels(labels), LEVELS)
    return counts[:, 1], counts[:, 0]


class SaliencyScores:
    """Sums over images, from which `summary` takes the means; memory does not grow with the number of images."""

    def __init__(self, beta_squared: float) -> None:
        self.beta_squared = beta_squared
        self.images = 0
        self._curve = np.zeros(LEVELS)
        self._sums = {"mae": 0.0, "adaptive_f": 0.0, "f_at_half": 0.0, "iou_at_half": 0.0}

    def add(self, saliency: Float[np.ndarray, "h w"], labels: UInt8[np.ndarray, "h w"]) -> None:
        """Add one image: its map in [0, 1] and its label map (0 background, 255 ignored, anything else object)."""
        on_object, on_background = level_counts(saliency, labels)
        # Entry t counts the pixels whose level is at least t.
        hits, alarms = on_object[::-1].cumsum()[::-1], on_background[::-1].cumsum()[::-1]
        curve = self._f_measure(hits, alarms)
        pixels = max(1, int(hits[0] + alarms[0]))
        levels = np.arange(LEVELS)
        total = int(levels @ (on_object + on_background))
        error = int((LEVELS - 1 - levels) @ on_object + levels @ on_background)
        # The adaptive threshold is twice the mean level, at most 255, rounded up to a level in whole numbers.
        adaptive = min(-(-2 * total // pixels), LEVELS - 1)
        self.images += 1
        self._curve += curve
        self._sums["mae"] += error / (LEVELS - 1) / pixels
        self._sums["adaptive_f"] += float(curve[adaptive])
        self._sums["f_at_half"] += float(curve[HALF])
        self._sums["iou_at_half"] += float(hits[HALF] / max(1, hits[0] + alarms[HALF]))

    def _f_measure(
        self, hits: Int64[np.ndarray, " 256"], alarms: Int64[np.ndarray, " 256"]
    ) -> Float64[np.ndarray, " 256"]:
        # (1 + b) P R / (b P + R) with precision and recall written out: it never divides by an empty prediction.
        weighted = self.beta_squared * hits[0] + hits + alarms
        return (1 + self.beta_squared) * hits / np.maximum(weighted, 1e-12)

    def summary(self) -> dict[str, int | float]:
        """`images`, and with at least one image, in [0, 1]: `mae`, `max_f`, `adaptive_f`, `f_at_half`, `iou_at_half`.

        `max_f` is the maximum of the mean curve: F over the 256 thresholds is averaged over images first.
        An image without any object pixel has F and IoU 0.
        """
        if not self.images:
            return {"images": 0}
        means = {name: value / self.images for name, value in self._sums.items()}
        return {"images": self.images, "max_f": float(self._curve.max() / self.images), **means}


def mask_scores(confusion: Confusion) -> dict[str, float]:
    """IoU, precision and recall in [0, 1] of masks (row 1) against objects (column 1), over all pixels."""
    hits = confusion.counts[1, 1]
    predicted, true = confusion.counts[1].sum(), confusion.counts[:, 1].sum()
    return {
        "iou": float(hits / max(1, predicted + true - hits)),
        "precision": float(hits / max(1, predicted)),
        "recall": float(hits / max(1, true)),
    }
