"""The cross-entropy of class logits with full-size label maps, without ever holding full-size logits whole.

Like MaskContrast's loss it makes the gradient together with the loss, while some rows of logits are in a cache: at a
pixel of class y with softmax p it is p_k - [k = y], and the transposed upsampling carries it to the map. In real
arithmetic this is the plain formulation. A CPU has compiled loops for it in single precision; otherwise it is made of
tensor operations, a strip at a time. `python -m benchmarks probe` measures it against the plain one.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor
from torch.autograd.function import once_differentiable

from pipeline.metrics.confusion import IGNORED
from pipeline.networks.upsampling import upsampling_matrix
from pipeline.segmentation.compiled_pixel_loss import summed_cross_entropy
from pipeline.segmentation.logit_strips import strips, widened


def pixel_cross_entropy(logits: Float[Tensor, "b c h w"], labels: UInt8[Tensor, "b height width"]) -> Float[Tensor, ""]:
    """Mean cross-entropy over the labelled pixels, the logits upsampled to the labels; 0 without such pixels.

    Labels are classes below c, or `IGNORED`. Summed strip by strip in one order, so that it is deterministic.
    """
    return _PixelCrossEntropy.apply(logits, labels)  # type: ignore[return-value]


class _PixelCrossEntropy(torch.autograd.Function):
    """Makes the gradient in the forward pass and only scales it in the backward pass."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:
        rows, columns = (
            upsampling_matrix(side, target, logits)
            for side, target in zip(logits.shape[2:], labels.shape[1:], strict=True)
        )
        compiled = logits.device.type == "cpu" and logits.dtype == torch.float32
        loss, gradient = (summed_cross_entropy if compiled else _by_strips)(widened(logits, columns), rows, labels)
        pixels = (labels != IGNORED).sum().clamp_min(1)
        ctx.save_for_backward((gradient @ columns).permute(0, 2, 1, 3) / pixels)
        return loss / pixels

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, loss_gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = ctx.saved_tensors
        return loss_gradient * gradient, None


def _by_strips(
    wide: Float[Tensor, "b h c width"], rows: Float[Tensor, "height h"], labels: UInt8[Tensor, "b height width"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "b h c width"]]:
    """The sum of the cross-entropies of all labelled pixels, and its gradient at `wide`."""
    loss, known = wide.new_zeros(()), labels != IGNORED
    truth, gradient = labels.masked_fill(~known, 0).long(), torch.zeros_like(wide)
    bands = strips(rows, wide[0, 0].numel())
    for i, each in enumerate(wide):
        for band in bands:
            full = band.logits(each)
            loss += _cross_entropy(full, truth[i, band.rows], known[i, band.rows])
            band.add_adjoint(full, gradient[i])
    return loss, gradient


def _cross_entropy(
    logits: Float[Tensor, "r c w"], truth: Int64[Tensor, "r w"], known: Bool[Tensor, "r w"]
) -> Float[Tensor, ""]:
    """The sum of the cross-entropies of the known pixels; `logits` become its gradient."""
    truth, counted = truth[:, None], known[:, None].to(logits.dtype)
    # With the highest logit subtracted, no exponential overflows and no sum is below 1.
    logits -= logits.amax(1, keepdim=True)
    own = logits.gather(1, truth)
    sums = logits.exp_().sum(1, keepdim=True)
    logits *= counted / sums
    logits.scatter_add_(1, truth, -counted)
    return ((sums.log() - own) * counted).sum()
