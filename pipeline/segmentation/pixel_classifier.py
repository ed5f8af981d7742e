"""A 1x1 classifier on feature maps: its weights, its score."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.images.nearest import nearest
from pipeline.metrics.confusion import Confusion
from pipeline.segmentation.label_batches import LabelledSquares
from pipeline.segmentation.logit_strips import class_map


def pixel_classifier(channels: int, classes: int) -> nn.Conv2d:
    """A 1x1 convolution to class logits; weights N(0, 0.01), bias 0."""
    classifier = nn.Conv2d(channels, classes, 1)
    nn.init.normal_(classifier.weight, std=0.01)
    nn.init.constant_(classifier.get_parameter("bias"), 0)
    return classifier


@torch.no_grad()
def score(logits: Iterable[Float[Tensor, "_ c h w"]], squares: LabelledSquares) -> Confusion:
    """Confusion of the predictions with the untouched label maps, at every image's original size.

    `logits` come in batches, in the order of `squares`. A pixel's class is chosen on the square; the map of classes
    is then resized by nearest neighbour, as in the official offline evaluation.
    """
    confusion = Confusion(len(squares.classes), len(squares.classes))
    for j, small in enumerate(each for batch in logits for each in batch):
        truth = squares.truth(j)
        predicted = class_map(small, squares.size).cpu().numpy()
        confusion.add(nearest(predicted, truth.shape), truth)
    return confusion
