"""What a view does to colours, drawn with the view and applied to whole batches later."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from pipeline import params

OPERATIONS = ("none", "brightness", "contrast", "saturation", "hue", "blur")
"""Their indices stand in `Colours`. Grey is saturation by 0."""

STEPS = 6
"""Of jitter four, then grey and blur."""


class Colours(NamedTuple):
    """The operations on one view or a batch of views, in their order, each with its amount.

    A factor for brightness, contrast and saturation; for hue the part of the colour circle to turn by, -0.5 to 0.5; for
    blur the standard deviation in pixels.
    """

    operations: Int64[Tensor, "*b 6"]
    amounts: Float32[Tensor, "*b 6"]


def draw_colours(strength: params.Jitter, rng: np.random.Generator) -> Colours:
    """Jitter in random order, then grey, then blur, each with its probability (SimCLR, appendix A; MoCo v2)."""
    steps = []
    if rng.random() < strength.probability:
        jitter = [
            ("brightness", _factor(strength.brightness, rng)),
            ("contrast", _factor(strength.contrast, rng)),
            ("saturation", _factor(strength.saturation, rng)),
        ]
        # A hue turned by nothing would still be rounded.
        if strength.hue:
            jitter.append(("hue", rng.uniform(-strength.hue, strength.hue)))
        steps += [jitter[i] for i in rng.permutation(len(jitter))]
    if rng.random() < strength.grey_probability:
        steps.append(("saturation", 0.0))
    if rng.random() < strength.blur_probability:
        low, high = strength.blur_sigma
        steps.append(("blur", rng.uniform(low, high)))
    steps += [("none", 0.0)] * (STEPS - len(steps))
    operations, amounts = zip(*steps, strict=True)
    return Colours(
        torch.from_numpy(np.array([OPERATIONS.index(name) for name in operations])),
        torch.from_numpy(np.array(amounts, dtype=np.float32)),
    )


def _factor(strength: float, rng: np.random.Generator) -> float:
    return rng.uniform(max(0.0, 1 - strength), 1 + strength)
