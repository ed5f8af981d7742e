import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.masks.loss import cross_entropy, hybrid_loss, iou, smoothed, ssim


def window() -> Tensor:
    taps = torch.tensor([math.exp(-(x**2) / (2 * 1.5**2)) for x in range(-5, 6)], dtype=torch.float64)
    return torch.outer(taps, taps)[None, None] / taps.sum() ** 2


def naive_ssim(p: Tensor, t: Tensor) -> Tensor:
    def mean(maps: Tensor) -> Tensor:
        return F.conv2d(maps[None, None], window(), padding=5)[0, 0]

    above = (2 * mean(p) * mean(t) + 1e-4) * (2 * (mean(p * t) - mean(p) * mean(t)) + 9e-4)
    spread = mean(p * p) - mean(p) ** 2 + mean(t * t) - mean(t) ** 2
    return (above / ((mean(p) ** 2 + mean(t) ** 2 + 1e-4) * (spread + 9e-4))).mean()


def naive_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """All three terms of every output, image by image, as the paper writes them."""
    b, o = logits.shape[:2]
    total = torch.zeros((), dtype=torch.float64)
    for i in range(b):
        for k in range(o):
            p, t = logits[i, k].sigmoid(), targets[i]
            entropy = -(t * p.log() + (1 - t) * (1 - p).log()).mean()
            intersection = (p * t).sum()
            overlap = (intersection + 1) / (p.sum() + t.sum() - intersection + 1)
            total = total + (entropy + 2 - naive_ssim(p, t) - overlap) / b
    return total


def random_case(height: int, width: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn((2, 3, height, width), generator=random, dtype=torch.float64)
    return logits.requires_grad_(), (torch.rand((2, height, width), generator=random) < 0.4).double()


@pytest.mark.parametrize("size", [(24, 24), (17, 40), (3, 12)])
def test_loss_and_gradient_equal_the_convolution(size: tuple[int, int]):
    logits, targets = random_case(*size)
    ours, expected = hybrid_loss(logits, targets).sum(), naive_loss(logits, targets)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (ours, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-9)


def test_soft_targets_are_as_good_as_binary_ones():
    logits, targets = random_case(20, 16)
    soft = 0.2 + 0.5 * targets
    torch.testing.assert_close(hybrid_loss(logits, soft).sum(), naive_loss(logits, soft), rtol=1e-9, atol=1e-9)


def test_smoothing_spreads_one_pixel_into_the_window_and_cuts_it_at_the_border():
    maps = torch.zeros(2, 20, 20, dtype=torch.float64)
    maps[0, 9, 8] = maps[1, 0, 19] = 1
    spread = smoothed(maps)
    torch.testing.assert_close(spread[0, 4:15, 3:14], window()[0, 0])
    torch.testing.assert_close(spread[0].sum(), torch.tensor(1.0, dtype=torch.float64))
    torch.testing.assert_close(spread[1, :6, 14:], window()[0, 0, 5:, :6])


def test_a_perfect_prediction_costs_nothing():
    targets = torch.zeros(1, 32, 32)
    targets[0, 8:20, 10:25] = 1
    losses = hybrid_loss((200 * targets - 100).unsqueeze(1).expand(-1, 8, -1, -1), targets)
    torch.testing.assert_close(losses, torch.zeros(8), rtol=0, atol=1e-5)


def test_an_empty_prediction_of_an_empty_target_costs_nothing_and_has_a_gradient():
    logits = torch.full((1, 1, 16, 16), -200.0, requires_grad=True)
    loss = hybrid_loss(logits, torch.zeros(1, 16, 16)).sum()
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(gradient).all()


def test_cross_entropy_of_an_undecided_prediction_is_the_logarithm_of_two():
    values = cross_entropy(torch.zeros(2, 3, 5, 4), torch.ones(2, 5, 4))
    torch.testing.assert_close(values, torch.full((3,), math.log(2)))


def test_iou_by_hand():
    # 2x2 image, target of 2 pixels; p = 1/2 everywhere: intersection 1, union 3; with the one added 2/4.
    # An output that is exactly right scores 1.
    targets = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    probabilities = torch.stack([torch.full((1, 2, 2), 0.5), targets], dim=1)
    torch.testing.assert_close(iou(probabilities, targets), torch.tensor([0.5, 1.0]))


def test_ssim_of_equal_maps_is_one_and_of_a_negative_below_zero():
    # A negative has the opposite covariance, so its contrast term is below zero wherever there is contrast.
    maps = (torch.arange(32.0).view(32, 1) + torch.arange(24.0)).remainder(4).div(3).unsqueeze(0)
    values = ssim(torch.stack([maps, 1 - maps], dim=1), maps)
    assert values[0].item() == pytest.approx(1, abs=1e-5)
    assert values[1].item() < -0.5
