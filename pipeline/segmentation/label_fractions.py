"""The labelled fractions of a training split in semi-supervised fine-tuning (paper section 4.6)."""

import numpy as np
from jaxtyping import Int64

from pipeline.errors import InputError
from pipeline.seeding import generator


def draw_fraction(indices: Int64[np.ndarray, " m"], fraction: float, seed: int, split: int) -> Int64[np.ndarray, " k"]:
    """The images of `indices` whose labels may be used, ascending; `round(m * fraction)` of them, at least one.

    Every `split` is one random order of the images and a fraction is its beginning, so a smaller fraction of a split
    lies inside a larger one. Labels are not looked at: a small fraction may lack a class, as it may in the paper,
    which does not publish its splits. Raises InputError for a fraction outside (0, 1] and for no images.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"fraction is {fraction}; give the share of labelled images, above 0 and at most 1")
    if not len(indices):
        raise InputError("there is no image to draw a fraction of; name a training split with labelled images")
    order = generator(seed, "label fraction", split).permutation(indices)
    return np.sort(order[: max(1, round(len(indices) * fraction))])
