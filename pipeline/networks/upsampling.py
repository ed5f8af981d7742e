"""Bilinear upsampling of feature maps, one convention for all networks."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def upsample(maps: Float[Tensor, "b c h w"], size: Sequence[int]) -> Float[Tensor, "b c height width"]:
    """Bilinear resize with pixel centres at halves (align_corners off), as everywhere in the method."""
    return F.interpolate(maps, size=list(size), mode="bilinear", align_corners=False)


def upsampling_matrix(side: int, target: int, like: Tensor) -> Float[Tensor, "target side"]:
    """What `upsample` does to one axis, in the precision and on the device of `like`: `R @ map @ C.T` is `upsample`.

    At most two weights stand in each row, and they sum to one.
    """
    # The upsampled unit vectors are the matrix's columns, so it agrees with F.interpolate by construction.
    units = torch.eye(side, dtype=like.dtype, device=like.device)
    return F.interpolate(units[None], size=target, mode="linear", align_corners=False)[0].T.contiguous()
