"""The contrastive loss over pixels and prototypes (paper Eq. 3 with the denominator of Algorithm 1), exact and lean.

Let z_i be the query embedding of pixel i, upsampled to the size of the masks, and q_i = z_i / |z_i|. Every pixel of
the object in image b should resemble the prototype m_b of b's key view, and no other prototype m_j of the batch or
the queue:

    l_ij = q_i . m_j / T        CE_i = log(sum_j exp l_ij) - l_ib        loss = sum_b c_b (sum of CE_i over b's pixels)

The factors c_b are those of a mean, 1 / n with n pixels in all, or of a class-balanced mean (see `pixel_factors`).

Neither the upsampled embeddings (b x H x W x d) nor the logits (n x (b + q)) are ever held whole. Prototypes carry no
gradient, so the only gradient that leaves is that of the small embedding map, and it can be made together with the
loss, a strip of pixels at a time, the fewer the more prototypes, while their logits are in the processor's cache:

    g_i = dCE_i / dq_i = (sum_j p_ij m_j - m_b) / T        with p_i = softmax(l_i)
          dCE_i / dz_i = (g_i - q_i (q_i . g_i)) / |z_i|

The transposed upsampling then carries it to the map. In real arithmetic this is the plain formulation.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from pipeline.contrast.interpolation import Upsampling
from pipeline.launch import rank
from pipeline.networks.upsampling import upsample
from pipeline.training.distributed import averaged, gathered, summed

EPSILON = 1e-12


def contrastive_loss(
    embeddings: Float[Tensor, "b d h w"],
    masks: Bool[Tensor, "b height width"],
    prototypes: Float[Tensor, "b d"],
    queue: Float[Tensor, "q d"],
    temperature: float,
    class_balance: bool,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Loss, and the share of object pixels that are closest to their own prototype (top-1 accuracy).

    `embeddings` come from the query encoder, neither upsampled nor normalised, with the `masks` of the query views;
    `prototypes` (of the key views) and `queue` are unit vectors. An image with an empty mask contributes nothing but
    its prototype as a negative; when all masks are empty, loss and accuracy are 0. Gradients reach `embeddings` only.
    Processes that share a batch get the loss of all of it, here and below, with the gradients of their parts.
    """
    counts = gathered(masks.sum((1, 2)))
    factors = pixel_factors(counts.flatten(), class_balance).view(counts.shape)[rank()].to(embeddings.dtype)
    candidates = torch.cat([prototypes, queue]).detach()
    loss, correct = _Contrast.apply(embeddings, masks, candidates, factors, temperature)  # type: ignore[misc]
    return summed(loss), summed(correct) / counts.sum().clamp_min(1)


def pixel_factors(counts: Int[Tensor, " b"], class_balance: bool) -> Float[Tensor, " b"]:
    """The factor c_b of the object pixels of each image, given how many there are (float64).

    Class-balanced, c_b = w_b / sum over b' of (n_b' w_b') with w_b = 1 / ln(1.02 + n_b / n), the weights of E-Net
    (Paszke et al., 2016), a pixel's class being its image: smaller objects get a larger say.
    """
    shares = counts.double() / counts.sum().clamp_min(1)
    weights = 1 / torch.log(1.02 + shares) if class_balance else torch.ones_like(shares)
    return weights / (counts * weights).sum().clamp_min(1)


class _Contrast(torch.autograd.Function):
    """Makes the gradient in the forward pass and only scales it in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, embeddings: Tensor, masks: Tensor, candidates: Tensor, factors: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        upsampling = Upsampling.between(embeddings.shape[2:], masks.shape[1:], embeddings)
        loss, correct = embeddings.new_zeros(()), embeddings.new_zeros(())
        maps = embeddings.permute(0, 2, 3, 1).contiguous()
        gradient = torch.zeros_like(maps)
        for b, (embedding, mask) in enumerate(zip(maps, masks, strict=True)):
            for strip, chosen in upsampling.strips(mask, sum(candidates.shape)):
                pixels = strip.pixels(embedding, chosen)
                entropies, correct_pixels, pixel_gradient = _contrast_pixels(pixels, candidates, b, temperature)
                gradient[b] += strip.pixels_adjoint(factors[b] * pixel_gradient, chosen)
                loss += factors[b] * entropies
                correct += correct_pixels
        ctx.save_for_backward(gradient.permute(0, 3, 1, 2))
        ctx.mark_non_differentiable(correct)
        return loss, correct

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, loss_gradient: Tensor, _: Tensor
    ) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return loss_gradient * gradient, None, None, None, None


def _contrast_pixels(
    pixels: Float[Tensor, "n d"], candidates: Float[Tensor, "p d"], positive: int, temperature: float
) -> tuple[Float[Tensor, ""], Int[Tensor, ""], Float[Tensor, "n d"]]:
    """Sum of the cross-entropies of pixels z with one positive, number of correct pixels, and the gradient dCE / dz."""
    norms = pixels.norm(dim=1, keepdim=True).clamp_min(EPSILON)
    unit = pixels / norms
    logits = unit @ (candidates / temperature).T
    highest, own = logits.amax(1, keepdim=True), logits[:, positive : positive + 1].clone()
    correct = (own >= highest).sum()
    # With the highest logit subtracted, no exponential overflows and no sum is below 1, whatever the temperature.
    exponentials = logits.sub_(highest).exp_()
    sums = exponentials.sum(1, keepdim=True)
    entropies = (sums.log() + highest - own).sum()
    # Dividing the short rows of the product by the sums saves a pass over the long rows of the softmax.
    gradient = ((exponentials @ candidates) / sums - candidates[positive]) / temperature
    return entropies, correct, (gradient - unit * (unit * gradient).sum(1, keepdim=True)) / norms


def plain_saliency_loss(logits: Float[Tensor, "b 1 h w"], masks: Bool[Tensor, "b height width"]) -> Float[Tensor, ""]:
    """Binary cross-entropy of the saliency head, every pixel of the batch alike (paper, Algorithm 1).

    The logits are upsampled to the masks.
    """
    upsampled = upsample(logits, (masks.shape[1], masks.shape[2]))[:, 0]
    return averaged(F.binary_cross_entropy_with_logits(upsampled, masks.to(logits.dtype)))


def balanced_saliency_loss(
    logits: Float[Tensor, "b 1 h w"], masks: Bool[Tensor, "b height width"]
) -> Float[Tensor, ""]:
    """Class-balanced binary cross-entropy of the saliency head over all pixels of the batch (HED, Xie and Tu 2015).

    The logits are upsampled to the masks; object pixels weigh the background's share of the batch and background
    pixels the object's share. A batch without either gives exactly 0.
    """
    upsampled = upsample(logits, (masks.shape[1], masks.shape[2]))[:, 0]
    object_share = averaged(masks.to(logits.dtype).mean())
    # Cross-entropy of the truth: -log sigmoid(x) on the object and -log sigmoid(-x) off it.
    entropies = F.softplus(upsampled * (1 - 2 * masks.to(logits.dtype)))
    return averaged(torch.where(masks, 1 - object_share, object_share).mul(entropies).mean())
