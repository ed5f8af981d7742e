"""Weighted F-measure (Margolin et al., CVPR 2014): misses count by their neighbourhood, false alarms by distance."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import correlate1d, distance_transform_edt

RADIUS, SIGMA = 3, 5.0
HALVING = 5.0  # pixels in which what a false alarm costs beyond 1 comes half as close to 2
TAPS = np.exp(-(np.arange(-RADIUS, RADIUS + 1) ** 2) / (2 * SIGMA**2))
TAPS /= TAPS.sum()


class WeightedF:
    """The weighted F-measure against one image's objects; what depends on them alone is worked out once."""

    def __init__(self, objects: Bool[np.ndarray, "h w"], background: Bool[np.ndarray, "h w"]) -> None:
        """A pixel that is neither object nor background is ignored: it is no alarm, and beside an object it passes
        on the error of the nearest object pixel, as background does."""
        self._count = int(objects.sum())
        if not self._count:
            return
        distance, (rows, columns) = distance_transform_edt(~objects, return_indices=True)  # type: ignore[misc]
        self._cost = np.where(background, 2 - 0.5 ** (distance / HALVING), 0.0)
        # Only the surroundings of objects are smoothed.
        self._box = tuple(
            slice(max(0, int(found.min()) - RADIUS), int(found.max()) + RADIUS + 1) for found in np.nonzero(objects)
        )
        self._nearest = rows[self._box] * objects.shape[1] + columns[self._box]
        self._objects = objects[self._box]

    def __call__(self, saliency: Float[np.ndarray, "h w"]) -> float:
        """Weighted F in [0, 1] with beta 1 of a map in [0, 1]; 0 without an object."""
        if not self._count:
            return 0.0
        missed = 1 - saliency.ravel()[self._nearest]
        smooth = correlate1d(correlate1d(missed, TAPS, axis=0, mode="constant"), TAPS, axis=1, mode="constant")
        found = self._count - np.minimum(missed, smooth)[self._objects].sum()
        alarms = np.vdot(saliency, self._cost)
        # 2 P R / (P + R) with P = found / (found + alarms) and R = found / objects written out.
        return float(2 * found / (self._count + found + alarms))
