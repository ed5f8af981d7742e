"""BAS-Net (Qin et al., CVPR 2019): a residual encoder-decoder, seven side outputs, and a residual refiner."""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.networks.upsampling import upsample

OUTPUTS = 8


class ResidualBlock(nn.Module):
    """The basic block of a ResNet (He et al., CVPR 2016): two convolutions beside an identity or a strided shortcut.

    Of torchvision's the import alone takes longer than to predict the masks of the embedded sample.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.extend([nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)])

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Features at the stride of the block."""
        return F.relu(self.residual(features) + self.shortcut(features))


class Refiner(nn.Module):
    """Adds a learned residual to the coarse logits: a small U-Net of constant width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = _conv(1, width)
        self.down = nn.ModuleList(_conv_block(width, width) for _ in range(4))
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.bottom = _conv_block(width, width)
        self.up = nn.ModuleList(_conv_block(2 * width, width) for _ in range(4))
        self.head = _conv(width, 1)

    def forward(self, coarse: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Refined logits."""
        features, skips = self.stem(coarse), []
        for block in self.down:
            skips.append(block(features))
            features = self.pool(skips[-1])
        features = self.bottom(features)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            features = block(_joined(features, skip))
        return coarse + self.head(features)


class BasNet(nn.Module):
    """The whole network; `width` is the channel count of the first stage (64 in the paper: 87,060,360 parameters).

    The encoder is a ResNet-34 without its stem's strides, and two more stages of three blocks each.
    Images are RGB in [0, 1]; the network normalises them itself, with the ImageNet statistics.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)
        w = width
        self.stem = _conv_block(3, w)
        self.encoder = nn.ModuleList(
            [
                _residual_blocks(w, w, 3),
                _residual_blocks(w, 2 * w, 4, stride=2),
                _residual_blocks(2 * w, 4 * w, 6, stride=2),
                _residual_blocks(4 * w, 8 * w, 3, stride=2),
                nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), *_residual_blocks(8 * w, 8 * w, 3)),
                nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), *_residual_blocks(8 * w, 8 * w, 3)),
            ]
        )
        self.bridge = _conv_blocks([8 * w] * 4, [2, 2, 2])
        self.decoder = nn.ModuleList(
            [
                _conv_blocks([16 * w, 8 * w, 8 * w, 8 * w], [1, 2, 2]),
                _conv_blocks([16 * w, 8 * w, 8 * w, 8 * w], [1, 1, 1]),
                _conv_blocks([16 * w, 8 * w, 8 * w, 4 * w], [1, 1, 1]),
                _conv_blocks([8 * w, 4 * w, 4 * w, 2 * w], [1, 1, 1]),
                _conv_blocks([4 * w, 2 * w, 2 * w, w], [1, 1, 1]),
                _conv_blocks([2 * w, w, w, w], [1, 1, 1]),
            ]
        )
        self.heads = nn.ModuleList(_conv(channels * w, 1) for channels in (8, 8, 8, 4, 2, 1, 1))
        self.refiner = Refiner(w)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 8 h w"]:
        """Logits of all supervised outputs: refined, decoder stages from fine to coarse, bridge.

        Height and width are at least 32 and need not be even.
        """
        features, skips = self.stem((images - self.mean) / self.std), []
        for stage in self.encoder:
            features = stage(features)
            skips.append(features)
        features = self.bridge(features)
        pyramid = [features]
        for stage, skip in zip(self.decoder, reversed(skips), strict=True):
            features = stage(_joined(features, skip))
            pyramid.append(features)
        size = (images.shape[-2], images.shape[-1])
        sides = [upsample(head(level), size) for head, level in zip(self.heads, pyramid, strict=True)]
        return torch.cat([self.refiner(sides[-1]), *reversed(sides)], dim=1)


def _joined(features: Tensor, skip: Tensor) -> Tensor:
    """Features brought to the size of the encoder's map, and that map; sizes that are odd come out right."""
    return torch.cat([upsample(features, (skip.shape[-2], skip.shape[-1])), skip], dim=1)


def _conv(inputs: int, outputs: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)


def _conv_block(inputs: int, outputs: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, outputs, dilation), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _conv_blocks(channels: Sequence[int], dilations: Sequence[int]) -> nn.Sequential:
    pairs = zip(itertools.pairwise(channels), dilations, strict=True)
    return nn.Sequential(*(_conv_block(inputs, outputs, dilation) for (inputs, outputs), dilation in pairs))


def _residual_blocks(inputs: int, outputs: int, count: int, stride: int = 1) -> nn.Sequential:
    first = ResidualBlock(inputs, outputs, stride)
    return nn.Sequential(first, *(ResidualBlock(outputs, outputs) for _ in range(count - 1)))
