"""The cross-entropy of `pixel_loss` on a CPU: loops compiled by numba, over one row of pixels at a time.

PyTorch goes over a strip of logits a dozen times. Here a row of pixels with all its classes stays in the first cache,
and every loop along it becomes vector instructions, the exponential too.
"""

from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from numba import njit
from torch import Tensor

from pipeline.metrics.confusion import IGNORED

# Numba computes in double precision wherever a constant is a Python number, and compiles no function that checks types.
F, INT = np.float32, np.int32
HALF, ONE, LOWEST = F(0.5), F(1), np.finfo(F).min
# exp(x) = 2^n exp(r) with n the whole number nearest to x / log 2, so that |r| < 0.35. The first part of log 2 has few
# digits, so that its product with n is exact; below -87, 2^n would be no ordinary number.
PER_LOG2, LOG2, LOG2_REST, LEAST = F(1 / np.log(2)), F(0.693359375), F(np.log(2) - 0.693359375), F(-87)
# 1/2 ... 1/5040: with them the series of exp is off by less than 1e-8 there.
C2, C3, C4, C5, C6, C7 = (F(1 / np.prod(np.arange(1.0, n + 1))) for n in range(2, 8))
BIAS, MANTISSA = INT(127), INT(23)
# A sum may be fused with a product; nothing is reordered, so that a run repeats bit by bit.
FUSED = {"contract"}


def summed_cross_entropy(
    wide: Float32[Tensor, "b h c width"], rows: Float32[Tensor, "height h"], labels: UInt8[Tensor, "b height width"]
) -> tuple[Float[Tensor, ""], Float32[Tensor, "b h c width"]]:
    """The sum of the cross-entropies of all labelled pixels, and its gradient at `wide`, logits of the full width.

    Each row of the upsampling `rows` has at most two weights, next to each other. Labels are below c, or `IGNORED`.
    """
    first = (rows != 0).byte().argmax(1, keepdim=True)
    second = (first + 1).clamp_max(rows.shape[1] - 1)
    sources = torch.cat([first, second], 1)
    weights = rows.gather(1, sources) * torch.cat([torch.ones_like(first), second - first], 1)
    gradient = torch.zeros_like(wide)
    arrays = (tensor.numpy() for tensor in (wide.contiguous(), sources, weights, labels, gradient))
    return torch.tensor(_losses(*arrays).sum(), dtype=wide.dtype), gradient


@njit(cache=True, fastmath=FUSED, error_model="numpy")
@no_type_check
def _losses(wide, sources, weights, labels, gradient):
    """The summed loss of each image; its gradient is added to `gradient`."""
    losses, logits = np.zeros(len(wide)), np.empty(wide.shape[2:], F)
    for i in range(len(wide)):
        for row in range(len(sources)):
            one, other = sources[row]
            highest = _mix(wide[i, one], wide[i, other], weights[row], logits)
            losses[i] += _differentiate(logits, highest, labels[i, row])
            _add_adjoint(logits, weights[row], gradient[i, one], gradient[i, other])
    return losses


@njit(cache=True, fastmath=FUSED, error_model="numpy")
@no_type_check
def _mix(one, other, weights, logits):
    """Write the logits of a row of pixels; returns the highest of each pixel."""
    highest = np.full(logits.shape[1], LOWEST)
    for k in range(len(logits)):
        for x in range(logits.shape[1]):
            logits[k, x] = weights[0] * one[k, x] + weights[1] * other[k, x]
            highest[x] = max(highest[x], logits[k, x])
    return highest


@njit(cache=True, fastmath=FUSED, error_model="numpy")
@no_type_check
def _differentiate(logits, highest, labels):
    """Turn the logits into the gradient of their loss, which is returned, in double precision."""
    loss, known = 0.0, np.flatnonzero(labels != IGNORED)
    for x in known:
        loss += highest[x] - logits[labels[x], x]
    sums = _exponentiate(logits, highest)
    scales = np.zeros_like(sums)
    for x in known:
        loss += np.log(sums[x])
        scales[x] = ONE / sums[x]
    for k in range(len(logits)):
        for x in range(len(scales)):
            logits[k, x] *= scales[x]
    for x in known:
        logits[labels[x], x] -= ONE
    return loss


@njit(cache=True, fastmath=FUSED, error_model="numpy")
@no_type_check
def _exponentiate(logits, highest):
    """Turn the logits into their exponentials, the highest of a pixel into 1; returns each pixel's sum."""
    sums, exponents = np.zeros(len(highest), F), np.empty(len(highest), INT)
    powers = exponents.view(F)  # the bits of a power of two are little more than its exponent
    for k in range(len(logits)):
        for x in range(len(highest)):
            value = logits[k, x] - highest[x]
            value = LEAST if value < LEAST else value  # `max` could lose what is no number
            whole = np.floor(value * PER_LOG2 + HALF)
            rest = value - whole * LOG2 - whole * LOG2_REST
            series = C2 + rest * (C3 + rest * (C4 + rest * (C5 + rest * (C6 + rest * C7))))
            logits[k, x] = ONE + rest + rest * rest * series
            exponents[x] = (INT(whole) + BIAS) << MANTISSA
        for x in range(len(highest)):
            logits[k, x] *= powers[x]
            sums[x] += logits[k, x]
    return sums


@njit(cache=True, fastmath=FUSED, error_model="numpy")
@no_type_check
def _add_adjoint(gradient, weights, one, other):
    """The transpose of `_mix`."""
    for k in range(len(gradient)):
        for x in range(gradient.shape[1]):
            one[k, x] += weights[0] * gradient[k, x]
        for x in range(gradient.shape[1]):
            other[k, x] += weights[1] * gradient[k, x]
