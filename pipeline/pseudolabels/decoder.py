"""The decoder of the pseudo-label networks: a saliency logit a pixel, from feature maps of a few strides."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.networks.upsampling import upsample

CHANNELS = 64
DILATIONS = (2, 4)


class Decoder(nn.Module):
    """Merges feature maps and draws a logit map of `size` x `size` pixels at the finest one's resolution.

    A thing is salient in contrast to the rest of its image, so the coarser maps first look far, by dilated convolutions
    and their mean over the whole image; the finest map then draws the borders.
    """

    def __init__(self, channels: Sequence[int], size: int) -> None:
        super().__init__()
        self.size = size
        self.laterals = nn.ModuleList(nn.Conv2d(each, CHANNELS, 1, bias=False) for each in channels)
        self.context = nn.Sequential(_normalised(), *map(_convolution, DILATIONS))
        self.whole = nn.Sequential(nn.Linear(CHANNELS, CHANNELS), nn.ReLU())
        self.logit = nn.Sequential(_normalised(), _convolution(1), nn.Conv2d(CHANNELS, 1, 1))

    def forward(self, *maps: Tensor) -> Float[Tensor, "b size size"]:
        """Logits of two or more maps `b c h w`, finest first, one for each of `channels`."""
        finest, *coarser = [layer(each) for layer, each in zip(self.laterals, maps, strict=True)]
        shape = coarser[0].shape[2:]
        context = self.context(torch.stack([upsample(each, shape) for each in coarser]).sum(0))
        context = context + self.whole(context.mean((2, 3)))[:, :, None, None]
        merged = finest + upsample(context, finest.shape[2:])
        return upsample(self.logit(merged), (self.size, self.size))[:, 0]


def _convolution(dilation: int) -> nn.Sequential:
    convolution = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(convolution, _normalised())


def _normalised() -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(CHANNELS), nn.ReLU())
