"""Mask prototypes: one unit vector for the object in an image (paper section 3.3, Algorithm 1)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor

from pipeline.contrast.interpolation import Upsampling

EPSILON = 1e-12
# Images at a time: what is computed at full size and in double precision should stay small beside the losses.
TOGETHER = 16


@torch.no_grad()
def pool_pixels(
    embeddings: Float[Tensor, "b d h w"], weights: Float[Tensor, "b height width"], normalize_pixels: bool = True
) -> Float[Tensor, "b d"]:
    """Weighted mean direction of each image's pixel embeddings: unit norm, or zero where no pixel has a weight.

    The embeddings are upsampled to the size of `weights`; with `normalize_pixels` every upsampled pixel is then
    scaled to unit norm, as in Algorithm 1. With binary masks as `weights` this gives the prototypes of the paper.

    Upsampling is linear, so the sum over pixels of a_i z_i / |z_i|, with z = U(embedding), is the embedding contracted
    with the transposed upsampling of a / |z|: of the upsampled embedding only the lengths are needed. Those of vectors
    that nearly cancel are differences of large numbers and their inverses are large, hence the double precision.
    """
    parts = zip(embeddings.split(TOGETHER), weights.split(TOGETHER), strict=True)
    sums = torch.cat([_sums(maps.double(), part, normalize_pixels) for maps, part in parts])
    return F.normalize(sums, dim=1, eps=EPSILON).to(embeddings.dtype)


def _sums(
    maps: Float64[Tensor, "b d h w"], weights: Float[Tensor, "b height width"], normalize_pixels: bool
) -> Float64[Tensor, "b d"]:
    upsampling = Upsampling.between(maps.shape[2:], weights.shape[1:], maps)
    if normalize_pixels:
        weights = weights / upsampling.squared_norms(maps).clamp_min_(EPSILON**2).sqrt_()
    return torch.einsum("bdhw,bhw->bd", maps, upsampling.adjoint(weights.double()))
