import pytest
import torch
import torch.nn.functional as F

from pipeline.segmentation import logit_strips
from pipeline.segmentation.pixel_loss import pixel_cross_entropy

# Upsampling by 8, by a fraction, down, and not at all.
SIZES = [((4, 4), (32, 32)), ((5, 3), (13, 20)), ((6, 6), (4, 5)), ((3, 4), (3, 4))]


def plain(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The formula as it reads."""
    full = F.interpolate(logits, size=labels.shape[1:], mode="bilinear", align_corners=False)
    return F.cross_entropy(full, labels.long(), ignore_index=255)


def random_pair(small: tuple[int, int], large: tuple[int, int], kind: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of 3 images and 5 classes, and labels of which some pixels are ignored."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, *small, generator=rng, dtype=kind, requires_grad=True)
    labels = torch.randint(0, 5, (3, *large), generator=rng).to(torch.uint8)
    labels[0], labels[1, :3] = 255, 255
    return logits, labels


def assert_equal_to_plain(logits: torch.Tensor, labels: torch.Tensor) -> None:
    """Loss and gradient are those of the formula as it reads, to rounding."""
    losses = [3 * loss(logits, labels) for loss in (pixel_cross_entropy, plain)]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in losses))


@pytest.mark.parametrize("bound", [1, 100, 2**17])
@pytest.mark.parametrize(("small", "large"), SIZES)
def test_strips_give_value_and_gradient_of_the_whole_batch_at_once(
    small: tuple[int, int], large: tuple[int, int], bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(logit_strips.STRIP, "cpu", bound)
    assert_equal_to_plain(*random_pair(small, large, torch.float64))


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_compiled_loops_give_value_and_gradient_of_the_whole_batch_at_once(
    small: tuple[int, int], large: tuple[int, int]
) -> None:
    assert_equal_to_plain(*random_pair(small, large, torch.float32))


@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0, 300.0])
def test_compiled_exponentials_are_exact_to_rounding(size: float) -> None:
    rng = torch.Generator().manual_seed(0)
    logits = (size * torch.randn(2, 21, 8, 8, generator=rng)).requires_grad_()
    labels = torch.randint(0, 21, (2, 8, 8), generator=rng).to(torch.uint8)
    loss, exact = pixel_cross_entropy(logits, labels), plain(logits.double(), labels)
    torch.testing.assert_close(loss.double(), exact, rtol=3e-7, atol=0)
    gradients = (torch.autograd.grad(value, logits)[0] for value in (loss, exact))
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("place", [0, slice(None)])
def test_what_is_no_number_stays_none(place: int | slice) -> None:
    logits = torch.zeros(1, 3, 2, 2)
    logits[:, place] = torch.nan
    assert pixel_cross_entropy(logits, torch.ones(1, 4, 4, dtype=torch.uint8)).isnan()


def test_logits_of_any_size_give_finite_numbers() -> None:
    # Between two cells that are sure of different classes, both logits are 1000 below the highest of the cells.
    logits = torch.tensor([[[[0.0, -2000.0]], [[-2000.0, 0.0]]]], requires_grad=True)
    labels = torch.tensor([[[1, 1, 0, 0]]], dtype=torch.uint8)
    losses = [loss(logits, labels) for loss in (pixel_cross_entropy, plain)]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in losses))
    assert float(losses[0].detach()) > 500


def test_batch_without_a_labelled_pixel_teaches_nothing() -> None:
    logits = torch.randn(1, 2, 2, 2, requires_grad=True)
    loss = pixel_cross_entropy(logits, torch.full((1, 4, 4), 255, dtype=torch.uint8))
    loss.backward()
    assert logits.grad is not None
    assert float(loss.detach()) == 0
    assert not logits.grad.any()
