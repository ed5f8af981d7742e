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


def random_pair(small: tuple[int, int], large: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of 3 images and 5 classes in double precision, and labels of which some pixels are ignored."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, *small, generator=rng, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 5, (3, *large), generator=rng).to(torch.uint8)
    labels[0], labels[1, :3] = 255, 255
    return logits, labels


@pytest.mark.parametrize("bound", [1, 100, 2**17])
@pytest.mark.parametrize(("small", "large"), SIZES)
def test_value_and_gradient_equal_those_of_the_whole_batch_at_once(
    small: tuple[int, int], large: tuple[int, int], bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(logit_strips.STRIP, "cpu", bound)
    logits, labels = random_pair(small, large)
    losses = [3 * loss(logits, labels) for loss in (pixel_cross_entropy, plain)]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in losses))


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
