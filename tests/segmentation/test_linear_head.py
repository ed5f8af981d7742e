import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.segmentation.frozen_features import FrozenFeatures
from pipeline.segmentation.label_batches import LabelledSquares
from pipeline.segmentation.linear_head import LinearHead, linear_heads, step_decay
from tests.segmentation.networks import SECTION, random_deeplab


def test_head_represents_a_plain_classifier() -> None:
    torch.manual_seed(0)
    mean, std, features = torch.randn(7), torch.rand(7) + 0.1, torch.randn(2, 7, 3, 3)
    head = LinearHead(mean, std, 4)
    weight, bias = head.classifier.weight, head.classifier.get_parameter("bias")
    folded = weight / (7**0.5 * std[None, :, None, None])
    expected = F.conv2d(features, folded, bias - (folded[..., 0, 0] @ mean))
    torch.testing.assert_close(head(features), expected)


def test_heads_of_the_paper_are_plain_and_start_from_their_seeds(coloured: tuple[ImageSet, LabelSet]) -> None:
    features = FrozenFeatures(random_deeplab(), LabelledSquares(*coloured, np.arange(6), 64), SECTION)
    first, again, other = linear_heads(features, 3, standardize=False, seeds=[4, 4, 5])
    assert isinstance(first, nn.Conv2d) and first.weight.shape == (3, 32, 1, 1)
    assert torch.equal(first.weight, again.weight)  # type: ignore[arg-type]
    assert not torch.equal(first.weight, other.weight)  # type: ignore[arg-type]
    (standardised,) = linear_heads(features, 3, standardize=True, seeds=[4])
    assert isinstance(standardised, LinearHead)
    assert torch.equal(standardised.classifier.weight, first.weight)


@pytest.mark.parametrize(("epoch", "factor"), [(0, 1), (14, 1), (15, 0.1), (17, 0.1), (18, 0.01), (40, 0.01)])
def test_rate_falls_to_a_tenth_at_each_decay_epoch(epoch: int, factor: float) -> None:
    assert step_decay(epoch, [15, 18]) == pytest.approx(factor)
