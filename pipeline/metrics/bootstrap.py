"""Whether a difference between two sources is more than the choice of images: the paired bootstrap."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.seeding import generator


class Difference(NamedTuple):
    """Mean of a - b over images, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def paired_bootstrap(a: Sequence[float], b: Sequence[float], seed: int, draws: int) -> Difference:
    """Compare the scores `a` and `b` of the same images, in the same order; ValueError when they differ in number.

    The images are drawn anew, with replacement, `draws` times; the interval lies between the 2.5 and the 97.5
    percentile of the mean differences. The same seed draws the same images whatever is compared.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} scores cannot be paired with {len(b)}")
    differences, rng = np.subtract(a, b), generator(seed, "paired_bootstrap")
    means = [differences[rng.integers(len(differences), size=len(differences))].mean() for _ in range(draws)]
    low, high = np.percentile(means, (2.5, 97.5))
    return Difference(float(differences.mean()), float(low), float(high))
