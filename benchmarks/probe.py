"""The linear probe's cross-entropy and gradient against interpolation and F.cross_entropy, one thread."""

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.measure import interleaved
from pipeline.segmentation.pixel_loss import pixel_cross_entropy

BATCH, SIZE, STRIDE, CLASSES, ROUNDS = 16, 160, 8, 21, 9


def run() -> dict[str, object]:
    """Measure both on a batch of logits at stride 8 and full-size labels, after checking that they agree."""
    torch.set_num_threads(1)
    logits, labels = random_batch()
    ours, expected = (value_and_gradient(loss, logits, labels) for loss in (pixel_cross_entropy, image_by_image))
    for got, wanted in zip(ours, expected, strict=True):
        error = float((got - wanted).norm() / wanted.norm())
        assert error <= 1e-5, f"relative error {error}"
    seconds, longer = interleaved(
        lambda: value_and_gradient(pixel_cross_entropy, logits, labels),
        lambda: value_and_gradient(image_by_image, logits, labels),
        ROUNDS,
    )
    return {"ratio": longer / seconds, "ours": 1000 * seconds, "reference": 1000 * longer, "unit": "ms"}


def random_batch() -> tuple[Tensor, Tensor]:
    """Random logits, and label maps of squares of random classes with ignored rims."""
    torch.manual_seed(0)
    side = SIZE // STRIDE
    labels = torch.randint(0, CLASSES, (BATCH, side // 4, side // 4)).to(torch.uint8)
    labels = labels.repeat_interleave(4 * STRIDE, 1).repeat_interleave(4 * STRIDE, 2)
    labels[:, :: 4 * STRIDE], labels[:, :, :: 4 * STRIDE] = 255, 255
    return torch.randn(BATCH, CLASSES, side, side, requires_grad=True), labels


def value_and_gradient(loss, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The loss, and its gradient at the logits."""
    value = loss(logits, labels)
    return value.detach(), torch.autograd.grad(value, logits)[0]


def image_by_image(logits: Tensor, labels: Tensor) -> Tensor:
    """The formula as it reads, for each image apart, which is faster than for the whole batch."""
    total = logits.new_zeros(())
    for small, truth in zip(logits, labels, strict=True):
        full = F.interpolate(small[None], size=truth.shape, mode="bilinear", align_corners=False)
        total = total + F.cross_entropy(full, truth[None].long(), ignore_index=255, reduction="sum")
    return total / (labels != 255).sum()
