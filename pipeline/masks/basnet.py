"""BAS-Net (Qin et al., CVPR 2019): a residual encoder-decoder, seven side outputs, and a residual refiner."""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.masks.blocks import conv, conv_block
from pipeline.masks.residual_encoder import ResidualEncoder
from pipeline.networks.upsampling import upsample

OUTPUTS = 8


class Refiner(nn.Module):
    """Adds a learned residual to the coarse logits: a small U-Net of constant width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = conv(1, width)
        self.down = nn.ModuleList(conv_block(width, width) for _ in range(4))
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.bottom = conv_block(width, width)
        self.up = nn.ModuleList(conv_block(2 * width, width) for _ in range(4))
        self.head = conv(width, 1)

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

    `encoder` gives six maps, finest first, of 1, 2, 4, 8, 8 and 8 times `width` channels for RGB images in [0, 1],
    each half the size of the one before, and has its pretrained part in `backbone`; BAS-Net's own unless given.
    """

    def __init__(self, width: int, encoder: nn.Module | None = None) -> None:
        super().__init__()
        w = width
        self.encoder = ResidualEncoder(w) if encoder is None else encoder
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
        self.heads = nn.ModuleList(conv(channels * w, 1) for channels in (8, 8, 8, 4, 2, 1, 1))
        self.refiner = Refiner(w)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 8 h w"]:
        """Logits of all supervised outputs: refined, decoder stages from fine to coarse, bridge.

        Height and width are at least 32 and need not be even.
        """
        skips = self.encoder(images)
        features = self.bridge(skips[-1])
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


def _conv_blocks(channels: Sequence[int], dilations: Sequence[int]) -> nn.Sequential:
    pairs = zip(itertools.pairwise(channels), dilations, strict=True)
    return nn.Sequential(*(conv_block(inputs, outputs, dilation) for (inputs, outputs), dilation in pairs))
