"""Bilinear upsampling of feature maps, one convention for all networks."""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def upsample(maps: Float[Tensor, "b c h w"], size: Sequence[int]) -> Float[Tensor, "b c height width"]:
    """Bilinear resize with pixel centres at halves (align_corners off), as everywhere in the method."""
    return F.interpolate(maps, size=list(size), mode="bilinear", align_corners=False)
