"""Which pixels are salient, and how much each of them counts when an object's embeddings are pooled."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.derived_params import threshold_probability
from pipeline.embedding_store import cutoff
from pipeline.networks.upsampling import upsample
from pipeline.params import Pooling


def foreground_weights(
    logits: Float[Tensor, "b 1 h w"], size: tuple[int, int], pooling: Pooling
) -> tuple[UInt8[Tensor, "b height width"], Float[Tensor, "b height width"]]:
    """Saliency (probability times 255) at `size` (height, width), and weights for pooling, 0 where not salient."""
    full = upsample(logits, size)[:, 0]
    saliency = (255 * full.sigmoid()).round().to(torch.uint8)
    weights = {"uniform": torch.ones_like(full), "probability": full.sigmoid(), "logit": full}[pooling.weight]
    # The foreground is decided on the rounded map, so that whoever reads the file finds the same one.
    return saliency, weights * (saliency > cutoff(threshold_probability(pooling)))
