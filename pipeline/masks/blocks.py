"""What BAS-Net is built of: convolutions with batch normalisation, and the basic block of a ResNet."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """The basic block of a ResNet (He et al., CVPR 2016): two convolutions beside an identity or a strided shortcut.

    The names are those of every published ResNet, so that its weights load. Of torchvision's block the import alone
    takes longer than to predict the masks of the embedded sample.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential()
        if stride > 1:
            self.downsample.extend([nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)])

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """Features at the stride of the block."""
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(features)), inplace=True)))
        return F.relu(residual + self.downsample(features))


def residual_blocks(inputs: int, outputs: int, count: int, stride: int = 1) -> nn.Sequential:
    """A stage of a ResNet; the first block takes the stride."""
    first = ResidualBlock(inputs, outputs, stride)
    return nn.Sequential(first, *(ResidualBlock(outputs, outputs) for _ in range(count - 1)))


def conv(inputs: int, outputs: int, dilation: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)


def conv_block(inputs: int, outputs: int, dilation: int = 1) -> nn.Sequential:
    """A 3x3 convolution that keeps the size, batch normalisation, ReLU."""
    return nn.Sequential(conv(inputs, outputs, dilation), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
