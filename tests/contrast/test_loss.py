import math
from collections.abc import Callable
from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings, strategies as st
from hypothesis.strategies import DrawFn, composite
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.contrast import interpolation
from pipeline.contrast.loss import balanced_saliency_loss, contrastive_loss, pixel_factors, plain_saliency_loss
from pipeline.contrast.prototypes import pool_pixels
from tests.contrast import golden


def plain_loss(
    embeddings: Tensor, masks: Tensor, prototypes: Tensor, queue: Tensor, temperature: float, balance: bool
) -> tuple[Tensor, Tensor]:
    """The formulas as they read: upsample, normalise, select, one matrix of logits, weighted cross-entropy."""
    full = F.interpolate(embeddings, size=masks.shape[1:], mode="bilinear", align_corners=False)
    pixels, labels = F.normalize(full, dim=1).permute(0, 2, 3, 1)[masks], masks.nonzero()[:, 0]
    logits = pixels @ torch.cat([prototypes, queue]).T / temperature
    shares = torch.bincount(labels, minlength=logits.shape[1]).to(logits.dtype) / len(labels)
    weights = 1 / torch.log(1.02 + shares) if balance else torch.ones_like(shares)
    return F.cross_entropy(logits, labels, weights), (logits.argmax(1) == labels).double().mean()


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).detach().norm() / expected.detach().norm().clamp_min(1e-30))


def random_batch(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Five images of 64x48 pixels (two strips), the fourth with an empty mask; the queue holds nine."""
    torch.manual_seed(1)
    masks = torch.rand(5, 64, 48) < torch.tensor([0.1, 0.3, 0.5, 0.0, 0.9]).view(5, 1, 1)
    masks[2, :40] = False
    unit = F.normalize(torch.randn(14, 7, dtype=dtype), dim=1)
    return torch.randn(5, 7, 8, 6, dtype=dtype, requires_grad=True), masks, unit[:5], unit[5:]


def golden_loss(class_balance: bool) -> tuple[Tensor, Tensor]:
    prototypes = pool_pixels(golden.key(), golden.key_masks().float())
    return contrastive_loss(
        golden.query(), golden.query_masks(), prototypes, golden.queue(), golden.TEMPERATURE, class_balance
    )


def test_loss_and_accuracy_equal_the_golden_numbers():
    value, accuracy = golden_loss(class_balance=True)
    torch.testing.assert_close(value, torch.tensor(3.46275), atol=2e-5, rtol=0)
    torch.testing.assert_close(accuracy, torch.tensor(6 / 45))


def test_unweighted_loss_equals_the_golden_number():
    torch.testing.assert_close(golden_loss(class_balance=False)[0], torch.tensor(3.35804), atol=2e-5, rtol=0)


def test_class_weights_equal_the_golden_ones():
    counts = golden.query_masks().sum((1, 2))
    assert counts.tolist() == [27, 8, 6, 4]
    weights = torch.tensor([2.0729, 5.5411, 7.0099, 9.6751], dtype=torch.double)
    expected = weights / (counts * weights).sum()
    torch.testing.assert_close(pixel_factors(counts, True), expected, rtol=1e-4, atol=0)


def test_factors_of_all_pixels_sum_to_one():
    counts = torch.tensor([3, 0, 7])
    for balance in (True, False):
        assert float((counts * pixel_factors(counts, balance)).sum()) == pytest.approx(1)
    assert pixel_factors(counts, False).tolist() == pytest.approx([0.1] * 3)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.double, 1e-10), (torch.float, 1e-5)])
@pytest.mark.parametrize("balance", [True, False])
def test_loss_and_gradient_equal_the_plain_formulation(
    dtype: torch.dtype, tolerance: float, balance: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(interpolation.STRIP, "cpu", 2048 * (14 + 7))
    embeddings, masks, prototypes, queue = random_batch(dtype)
    value, accuracy = contrastive_loss(embeddings, masks, prototypes, queue, 0.2, balance)
    expected, expected_accuracy = plain_loss(embeddings, masks, prototypes, queue, 0.2, balance)
    torch.testing.assert_close(value, expected, rtol=tolerance, atol=0)
    assert float(accuracy) == pytest.approx(float(expected_accuracy))
    (gradient,) = torch.autograd.grad(3 * value, embeddings)
    (expected_gradient,) = torch.autograd.grad(3 * expected, embeddings)
    assert relative_error(gradient, expected_gradient) <= tolerance
    assert not gradient[3].any()


@composite
def batches(draw: DrawFn) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Embeddings, masks (some empty, some full), prototypes and a queue, from none up to the longest of the paper."""
    torch.manual_seed(draw(st.integers(0, 2**32 - 1)))
    batch, dim = draw(st.integers(1, 6)), draw(st.integers(2, 32))
    queue = draw(st.integers(0, 40) | st.sampled_from([128, 1024]))
    small = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    large = [draw(st.integers(side, 9 * side)) for side in small]
    filled = draw(st.lists(st.sampled_from([0, 0.05, 0.3, 1]), min_size=batch, max_size=batch))
    masks = torch.rand(batch, *large) < torch.tensor(filled).view(-1, 1, 1)
    masks[0, 0, 0] = True  # the plain formulation knows no batch without a pixel
    unit = F.normalize(torch.randn(batch + queue, dim, dtype=torch.double), dim=1)
    return torch.randn(batch, dim, *small, dtype=torch.double), masks, unit[:batch], unit[batch:]


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(batches(), st.floats(0.02, 1), st.booleans(), st.integers(4, 20))
def test_loss_and_gradient_equal_the_plain_formulation_whatever_is_drawn(
    batch: tuple[Tensor, Tensor, Tensor, Tensor], temperature: float, balance: bool, log_strip: int
):
    embeddings, masks, prototypes, queue = batch
    for dtype, tolerance in ((torch.double, 1e-10), (torch.float, 1e-5)):
        maps = embeddings.to(dtype, copy=True).requires_grad_()
        inputs = maps, masks, prototypes.to(dtype), queue.to(dtype), temperature, balance
        with patch.dict(interpolation.STRIP, cpu=2**log_strip):
            value, accuracy = contrastive_loss(*inputs)
        expected, expected_accuracy = plain_loss(*inputs)
        (gradient,) = torch.autograd.grad(value, maps)
        (expected_gradient,) = torch.autograd.grad(expected, maps)
        assert relative_error(value, expected) <= tolerance
        assert relative_error(gradient, expected_gradient) <= tolerance
        # Rounding may decide between two prototypes that are equally close to a pixel.
        assert abs(float(accuracy - expected_accuracy)) <= (0 if dtype == torch.double else 1.01 / int(masks.sum()))


class LargestTensor(TorchDispatchMode):
    """Notes how many numbers the largest tensor has that any operation makes."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.numbers = max(self.numbers, result.numel())
        return result


@pytest.mark.parametrize("queue", [0, 128, 1024])
def test_no_tensor_grows_with_pixels_times_prototypes(queue: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(interpolation.STRIP, "cpu", 2**18)
    embeddings, masks = torch.randn(4, 8, 16, 16, requires_grad=True), torch.ones(4, 128, 128, dtype=torch.bool)
    unit = F.normalize(torch.randn(4 + queue, 8), dim=1)
    with LargestTensor() as largest:
        contrastive_loss(embeddings, masks, unit[:4], unit[4:], 0.5, True)[0].backward()
    assert masks.numel() <= largest.numbers <= 2**18


def test_gradient_passes_the_numerical_check():
    torch.manual_seed(0)
    embeddings = torch.randn(2, 3, 2, 2, dtype=torch.double, requires_grad=True)
    unit = F.normalize(torch.randn(5, 3, dtype=torch.double), dim=1)
    masks = torch.rand(2, 6, 5) < 0.5
    assert torch.autograd.gradcheck(lambda x: contrastive_loss(x, masks, unit[:2], unit[2:], 0.5, True)[0], embeddings)


def test_alike_prototypes_give_the_log_of_their_number():
    # Every logit is the same, so each pixel's cross-entropy is log(2 + 6).
    same = F.normalize(torch.ones(8, 4), dim=1)
    masks = torch.ones(2, 8, 8, dtype=torch.bool)
    value, _ = contrastive_loss(torch.randn(2, 4, 2, 2), masks, same[:2], same[2:], 0.5, True)
    assert float(value) == pytest.approx(math.log(8), rel=1e-5)


def test_pixels_on_their_prototype_are_all_correct():
    prototypes, queue = torch.eye(4)[:2], torch.eye(4)[2:]
    embeddings = prototypes[:, :, None, None].expand(2, 4, 3, 3).contiguous()
    value, accuracy = contrastive_loss(embeddings, torch.ones(2, 6, 6, dtype=torch.bool), prototypes, queue, 0.5, True)
    assert accuracy == 1
    # One logit of 1 / 0.5 against three of 0.
    assert float(value) == pytest.approx(math.log(math.exp(2) + 3) - 2, rel=1e-5)


@pytest.mark.parametrize("temperature", [0.001, 0.01])
def test_loss_is_finite_and_exact_at_low_temperatures(temperature: float):
    embeddings, masks, prototypes, queue = random_batch(torch.float)
    value, _ = contrastive_loss(embeddings, masks, prototypes, queue, temperature, True)
    (gradient,) = torch.autograd.grad(value, embeddings)
    expected, _ = plain_loss(embeddings, masks, prototypes, queue, temperature, True)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=0)
    assert gradient.isfinite().all()


def test_batch_without_any_object_gives_zero_and_no_gradient():
    embeddings, masks, prototypes, queue = random_batch(torch.float)
    value, accuracy = contrastive_loss(embeddings, torch.zeros_like(masks), prototypes, queue, 0.5, True)
    (gradient,) = torch.autograd.grad(value, embeddings)
    assert value == accuracy == 0
    assert not gradient.any()


def test_saliency_loss_equals_the_golden_number():
    value = balanced_saliency_loss(golden.saliency_logits(), golden.query_masks())
    torch.testing.assert_close(value, torch.tensor(0.321256), atol=2e-6, rtol=0)


@pytest.mark.parametrize("everywhere", [True, False])
def test_saliency_loss_of_a_degenerate_batch_is_zero(everywhere: bool):
    masks = torch.full((2, 8, 8), everywhere)
    assert balanced_saliency_loss(torch.randn(2, 1, 2, 2), masks) == 0


def test_saliency_loss_of_undecided_logits_is_twice_the_product_of_the_shares_times_log_two():
    # A quarter of the pixels is object: each class contributes 3/4 * 1/4 * log 2.
    masks = torch.zeros(1, 4, 4, dtype=torch.bool)
    masks[0, 0] = True
    value = balanced_saliency_loss(torch.zeros(1, 1, 2, 2), masks)
    assert float(value) == pytest.approx(2 * 3 / 16 * math.log(2))


@pytest.mark.parametrize("loss", [balanced_saliency_loss, plain_saliency_loss])
def test_saliency_loss_upsamples_its_logits(loss: Callable[[Tensor, Tensor], Tensor]):
    logits, masks = torch.randn(2, 1, 3, 3, dtype=torch.double), torch.rand(2, 12, 9) < 0.3
    full = F.interpolate(logits, size=(12, 9), mode="bilinear", align_corners=False)
    torch.testing.assert_close(loss(logits, masks), loss(full, masks))


def test_plain_saliency_loss_is_the_mean_log_of_what_was_given_to_the_truth():
    # Logits log 3 and -log 3 are probabilities 3/4 and 1/4: an object pixel at each, then a ground pixel at the second.
    logits = torch.tensor([[[[math.log(3), -math.log(3), -math.log(3)]]]])
    masks = torch.tensor([[[True, True, False]]])
    expected = -(math.log(3 / 4) + math.log(1 / 4) + math.log(3 / 4)) / 3
    assert float(plain_saliency_loss(logits, masks)) == pytest.approx(expected)
