"""Mask prototypes: one unit vector for the object in an image (paper section 3.3, Algorithm 1)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pipeline.contrast.interpolation import Upsampling

EPSILON = 1e-12


@torch.no_grad()
def pool_pixels(
    embeddings: Float[Tensor, "b d h w"], weights: Float[Tensor, "b height width"], normalize_pixels: bool = True
) -> Float[Tensor, "b d"]:
    """Weighted mean direction of each image's pixel embeddings: unit norm, or zero where no pixel has a weight.

    The embeddings are upsampled to the size of `weights`; with `normalize_pixels` every upsampled pixel is then
    scaled to unit norm, as in Algorithm 1. With binary masks as `weights` this gives the prototypes of the paper.

    Upsampling is linear, so the sum over pixels of a_i z_i / |z_i|, with z = U(embedding), is the embedding contracted
    with the transposed upsampling of a / |z|: the upsampled embedding is needed for its norms only.
    """
    upsampling = Upsampling.between(embeddings.shape[2:], weights.shape[1:], embeddings)
    if normalize_pixels:
        norms = torch.stack([_pixel_norms(embedding, upsampling) for embedding in embeddings])
        weights = weights / norms.clamp_min(EPSILON)
    sums = torch.einsum("bdhw,bhw->bd", embeddings, upsampling.adjoint(weights))
    return F.normalize(sums, dim=1, eps=EPSILON)


def gather_prototypes(prototypes: Float[Tensor, "b d"]) -> Float[Tensor, "p b d"]:
    """The prototypes that the processes have of their parts of a batch, by rank; one process has the whole batch."""
    return prototypes[None]


def _pixel_norms(embedding: Float[Tensor, "d h w"], upsampling: Upsampling) -> Float[Tensor, "height width"]:
    strips = (strip.expand(embedding) for _, strip in upsampling.strips())
    return torch.cat([pixels.square().sum(0).sqrt() for pixels in strips])
