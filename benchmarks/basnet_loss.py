"""BAS-Net's loss of eight outputs, forward and backward, against SSIM by 11x11 convolutions, one output at a time."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.measure import interleaved
from pipeline.masks.loss import hybrid_loss

BATCH, OUTPUTS, SIZE, ROUNDS = 4, 8, 128, 7


def run() -> dict[str, object]:
    """Milliseconds of processor time of one loss and its gradient; both are first asserted equal to 1e-6."""
    torch.set_num_threads(1)
    logits, targets = _inputs()
    # In double precision, for rounding alone may part two ways to a gradient by more.
    loss, gradient = _value_and_gradient(_ours, logits.double(), targets.double())
    expected_loss, expected_gradient = _value_and_gradient(_reference, logits.double(), targets.double())
    torch.testing.assert_close(loss, expected_loss, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-6 * float(expected_gradient.abs().max()))
    ours, reference = interleaved(
        lambda: _value_and_gradient(_ours, logits, targets),
        lambda: _value_and_gradient(_reference, logits, targets),
        ROUNDS,
    )
    return {"ratio": reference / ours, "ours": 1000 * ours, "reference": 1000 * reference, "unit": "ms"}


def _inputs() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    coarse = torch.randn((BATCH, OUTPUTS, SIZE // 8, SIZE // 8), generator=random)
    logits = F.interpolate(4 * coarse, size=(SIZE, SIZE), mode="bilinear").requires_grad_()
    return logits, (logits.detach().mean(dim=1) > 0).float()


def _value_and_gradient(
    loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    value = loss(logits, targets)
    (gradient,) = torch.autograd.grad(value, logits)
    return value.detach(), gradient


def _ours(logits: Tensor, targets: Tensor) -> Tensor:
    return hybrid_loss(logits, targets).sum()


def _reference(logits: Tensor, targets: Tensor) -> Tensor:
    target = targets[:, None]
    outputs = [logits[:, k : k + 1].sigmoid() for k in range(logits.shape[1])]
    losses = [
        F.binary_cross_entropy(output, target) + 1 - _ssim(output, target) + _one_minus_iou(output, target)
        for output in outputs
    ]
    return torch.stack(losses).sum()


def _one_minus_iou(output: Tensor, target: Tensor) -> Tensor:
    losses = []
    for one, other in zip(output, target, strict=True):
        intersection = (one * other).sum()
        losses.append(1 - (intersection + 1) / (one.sum() + other.sum() - intersection + 1))
    return torch.stack(losses).mean()


def _ssim(output: Tensor, target: Tensor) -> Tensor:
    taps = torch.exp(-((torch.arange(11, dtype=output.dtype) - 5) ** 2) / (2 * 1.5**2))
    window = torch.outer(taps, taps)[None, None] / taps.sum() ** 2
    mean_x, mean_y = F.conv2d(output, window, padding=5), F.conv2d(target, window, padding=5)
    variance_x = F.conv2d(output * output, window, padding=5) - mean_x**2
    variance_y = F.conv2d(target * target, window, padding=5) - mean_y**2
    covariance = F.conv2d(output * target, window, padding=5) - mean_x * mean_y
    above = (2 * mean_x * mean_y + 0.01**2) * (2 * covariance + 0.03**2)
    below = (mean_x**2 + mean_y**2 + 0.01**2) * (variance_x + variance_y + 0.03**2)
    return (above / below).mean()
