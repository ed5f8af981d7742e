"""E-measure: how map and objects agree pixel by pixel, each seen from its own mean (Fan et al., IJCAI 2018).

A map cut at a threshold and the objects make four kinds of pixels, and all pixels of a kind agree alike. So the counts
of the four kinds are enough, for any number of thresholds at once.
"""

import numpy as np
from jaxtyping import Float64, Int64


def e_measure(hits: Int64[np.ndarray, " t"], alarms: Int64[np.ndarray, " t"]) -> Float64[np.ndarray, " t"]:
    """E at every threshold, from the object and background pixels above it; entry 0 is the whole image.

    As in the published code the sum is divided by one pixel less than there are, so a perfect map of n pixels has
    n / (n - 1). Without an object E is the share of pixels below the threshold, with nothing but objects that above.
    """
    objects, pixels = int(hits[0]), int(hits[0] + alarms[0])
    above = hits + alarms
    if objects in (0, pixels):
        return (above if objects else pixels - above) / max(1, pixels - 1)
    predicted, true = above / pixels, objects / pixels
    aligned = (
        hits * _agreement(1 - predicted, 1 - true)
        + alarms * _agreement(1 - predicted, -true)
        + (objects - hits) * _agreement(-predicted, 1 - true)
        + (pixels - objects - alarms) * _agreement(-predicted, -true)
    )
    return aligned / (pixels - 1)


def _agreement(predicted: Float64[np.ndarray, " t"], true: float) -> Float64[np.ndarray, " t"]:
    """1 where both lie equally far on the same side of their means, 0 where on opposite sides."""
    return (1 + 2 * predicted * true / (predicted**2 + true**2)) ** 2 / 4
