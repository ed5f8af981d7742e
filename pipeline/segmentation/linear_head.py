"""The head of the linear probe: a 1x1 classifier, plain as in the paper or on standardised features."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from pipeline.runtime import device
from pipeline.seeding import seed_torch
from pipeline.segmentation.frozen_features import FrozenFeatures, channel_moments
from pipeline.segmentation.pixel_classifier import pixel_classifier


class LinearHead(nn.Module):
    """A 1x1 classifier on features standardised to zero mean and a mean squared length of 1 per feature vector.

    Standardisation is an affine map of every channel, so the head represents what a plain 1x1 classifier does; but
    features of any scale and any number of channels then learn at the same learning rate, where the official protocol
    searches one for every network.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Float[Tensor, " d"], std: Float[Tensor, " d"], classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("scale", (std.isfinite().sum().clamp_min(1).sqrt() * std)[:, None, None])
        self.classifier = pixel_classifier(len(mean), classes)

    def forward(self, features: Float[Tensor, "b d h w"]) -> Float[Tensor, "b c h w"]:
        """Class logits at the size of the features."""
        return self.classifier((features - self.mean) / self.scale)


def linear_heads(features: FrozenFeatures, classes: int, standardize: bool, seeds: Sequence[int]) -> list[nn.Module]:
    """A new head for every seed, on standardised features or plain."""
    moments = channel_moments(features) if standardize else None
    heads = []
    for seed in seeds:
        seed_torch(seed, "linear head")
        head = LinearHead(*moments, classes) if moments else pixel_classifier(features.channels, classes)
        heads.append(head.to(device()))
    return heads


def step_decay(epoch: int, decay_epochs: Sequence[int]) -> float:
    """The learning-rate factor of an epoch, counted from 0: a tenth for every one of `decay_epochs` reached."""
    return 0.1 ** sum(epoch >= reached for reached in decay_epochs)
