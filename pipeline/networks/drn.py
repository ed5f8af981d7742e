"""Dilated residual networks, arrangement D (Yu, Koltun and Funkhouser, CVPR 2017, section 4), as DeepUSPS uses them.

Layers and tensors have the names of the public release, so that its weights load.
"""

import torch.nn.functional as F
from jaxtyping import Float
from timm.models import FeatureInfo
from torch import Tensor, nn

CHANNELS = (16, 32, 64, 128, 256, 512, 512, 512)
STRIDES = (1, 2, 2, 2, 1, 1, 1, 1)
DILATIONS = (1, 1, 1, 1, 2, 4, 2, 1)
# Residual blocks of layers 3 to 6; the layers before, and the two after that smooth out the dilations' grid, are plain.
DRNS = {"drn_d_22": (2, 2, 2, 2), "drn_d_105": (3, 4, 23, 3)}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(inputs, channels, 3, stride, dilation), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = _conv(channels, channels, 3, 1, dilation), nn.BatchNorm2d(channels)
        self.downsample = _shortcut(inputs, channels, stride)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Features at the stride of the block."""
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(features)))))
        return F.relu(residual + self.downsample(features))


class Bottleneck(nn.Module):
    """A 3x3 convolution between two 1x1 ones, the last to four times the channels, beside a shortcut."""

    expansion = 4

    def __init__(self, inputs: int, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(inputs, channels, 1), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = _conv(channels, channels, 3, stride, dilation), nn.BatchNorm2d(channels)
        self.conv3, self.bn3 = _conv(channels, 4 * channels, 1), nn.BatchNorm2d(4 * channels)
        self.downsample = _shortcut(inputs, 4 * channels, stride)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Features at the stride of the block."""
        residual = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(features))))))
        return F.relu(self.bn3(self.conv3(residual)) + self.downsample(features))


class Drn(nn.Module):
    """The trunk of `drn_d_22` (15.9 million parameters) or `drn_d_105` (54.3 million).

    Each of its eight layers is a feature stage; none is coarser than a stride of 8. `feature_info` and `default_cfg`
    describe it as timm describes its feature networks; no statistics of its own means those of ImageNet.
    """

    default_cfg = None

    def __init__(self, name: str) -> None:
        super().__init__()
        block = BasicBlock if name == "drn_d_22" else Bottleneck
        blocks = (0, 0, *DRNS[name], 0, 0)
        self.layer0 = _plain(3, CHANNELS[0], 7, 1, 1)
        inputs, stride, stages = CHANNELS[0], 1, []
        for k, (channels, count) in enumerate(zip(CHANNELS, blocks, strict=True)):
            if count:
                layer = _residual(block, inputs, channels, count, STRIDES[k], DILATIONS[k])
            else:
                layer = _plain(inputs, channels, 3, STRIDES[k], DILATIONS[k])
            self.add_module(f"layer{k + 1}", layer)
            inputs, stride = channels * (block.expansion if count else 1), stride * STRIDES[k]
            stages.append({"num_chs": inputs, "reduction": stride, "module": f"layer{k + 1}"})
        self.feature_info = FeatureInfo(stages, tuple(range(len(stages))))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Feature maps of layers 1 to 8 of normalised images."""
        stem, *layers = self.children()
        features, maps = stem(images), []
        for layer in layers:
            features = layer(features)
            maps.append(features)
        return maps


def _conv(inputs: int, outputs: int, size: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, size // 2 * dilation, dilation, bias=False)


def _plain(inputs: int, outputs: int, size: int, stride: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, outputs, size, stride, dilation), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _residual(
    block: type[BasicBlock] | type[Bottleneck], inputs: int, channels: int, count: int, stride: int, dilation: int
) -> nn.Sequential:
    first = block(inputs, channels, stride, dilation)
    return nn.Sequential(first, *(block(channels * block.expansion, channels, 1, dilation) for _ in range(count - 1)))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    if stride == 1 and inputs == outputs:
        return nn.Sequential()
    return nn.Sequential(_conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
