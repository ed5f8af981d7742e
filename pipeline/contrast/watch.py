"""What pretraining is watched for: embeddings that collapse to one direction, and a loss that explodes."""

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from pipeline.params import Pretrain
from pipeline.training.distributed import summed

# An untrained network has an `embedding_std` of 0.7 to 0.9; at 0.02 two pixels have a mean cosine above 0.999.
COLLAPSED = 0.02
# A saliency head that knows nothing has a cross-entropy of log 2 a pixel; this many times as much is no learning.
EXPLODED = 10


@torch.no_grad()
def embedding_std(embeddings: Float[Tensor, "b d h w"], masks: Bool[Tensor, "b height width"]) -> Float[Tensor, ""]:
    """Standard deviation of the directions of a batch's object pixels about their mean, from 0 (all alike) to 1.

    The root of the variances summed over the dimensions, at the size of the embeddings, where a pixel counts as far as
    it is covered by the mask. It falls to 0 when the embeddings collapse, to one direction or to zero.
    """
    # In double precision, since of nearly equal directions hardly anything is left of the difference.
    directions = F.normalize(embeddings.double(), dim=1)
    covered = F.adaptive_avg_pool2d(masks.double(), (embeddings.shape[2], embeddings.shape[3]))
    shares = covered / summed(covered.sum())
    mean = summed(torch.einsum("bdhw,bhw->d", directions, shares))
    power = summed(torch.einsum("bdhw,bhw->", directions.square(), shares))
    return (power - mean.square().sum()).clamp_min(0).sqrt().float()


def fault_finder(settings: Pretrain) -> Callable[[Mapping[str, float]], str | None]:
    """For `Watch.fault`: what is wrong with the scalars of a step of pretraining, and what to change."""
    # Cosines lie in [-1, 1], so no pixel's contrastive loss is higher than the log of all prototypes plus 2 / T.
    contrastive = math.log(settings.batch + settings.queue) + 2 / settings.temperature
    highest = settings.contrastive_weight * contrastive + settings.saliency_weight * EXPLODED * math.log(2)

    def fault(step: Mapping[str, float]) -> str | None:
        if step["loss"] > highest:
            return f"the loss has exploded to {step['loss']:.3g}; lower pretrain.learning_rate"
        # Without a contrastive loss nothing holds the embeddings apart, and nobody expects it.
        if settings.contrastive_weight and step["embedding_std"] < COLLAPSED:
            return (
                f"the embeddings have collapsed, their standard deviation is {step['embedding_std']:.2g}; lower "
                "pretrain.learning_rate or raise pretrain.saliency_weight"
            )
        return None

    return fault
