"""A 1x1 classifier on feature maps: its weights, its loss, its score."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from pipeline.metrics.confusion import IGNORED, Confusion
from pipeline.networks.upsampling import upsample
from pipeline.segmentation.label_batches import LabelledSquares, resize_labels


def pixel_classifier(channels: int, classes: int) -> nn.Conv2d:
    """A 1x1 convolution to class logits; weights N(0, 0.01), bias 0."""
    classifier = nn.Conv2d(channels, classes, 1)
    nn.init.normal_(classifier.weight, std=0.01)
    nn.init.constant_(classifier.get_parameter("bias"), 0)
    return classifier


def pixel_cross_entropy(logits: Float[Tensor, "b c h w"], labels: UInt8[Tensor, "b height width"]) -> Float[Tensor, ""]:
    """Mean cross-entropy over the labelled pixels, the logits upsampled to the labels; 0 without such pixels.

    One image at a time, so that upsampled logits stay in a processor's cache: at 224 pixels and 21 classes this takes
    60 % of the time of the whole batch at once. Summed apart, since the reduction inside a cross-entropy of maps is
    not deterministic on GPUs.
    """
    size = (labels.shape[1], labels.shape[2])
    total = logits.new_zeros(())
    for i in range(len(logits)):
        full, truth = upsample(logits[i : i + 1], size), labels[i : i + 1].long()
        total = total + F.cross_entropy(full, truth, ignore_index=IGNORED, reduction="none").sum()
    return total / (labels != IGNORED).sum().clamp_min(1)


@torch.no_grad()
def score(logits: Iterable[Float[Tensor, "b c h w"]], squares: LabelledSquares) -> Confusion:
    """Confusion of the predictions with the untouched label maps, at every image's original size.

    `logits` come in batches, in the order of `squares`. A pixel's class is chosen on the square; the map of classes
    is then resized by nearest neighbour, as in the official offline evaluation.
    """
    confusion, done = Confusion(len(squares.classes), len(squares.classes)), 0
    for batch in logits:
        predicted = upsample(batch, (squares.size, squares.size)).argmax(dim=1)
        for j, classes in enumerate(predicted.to(torch.uint8).cpu().numpy(), start=done):
            truth = squares.truth(j)
            confusion.add(resize_labels(classes, *truth.shape), truth)
        done += len(batch)
    return confusion
