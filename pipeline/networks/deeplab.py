"""The DeepLab-v3 decoder (Chen et al., 2017) on a backbone's last feature map."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import ASPP

from pipeline.networks.backbone import Backbone


class DeepLab(nn.Module):
    """Backbone, atrous spatial pyramid pooling, and a 3x3 convolution to `channels` feature maps."""

    def __init__(self, backbone: Backbone, rates: Sequence[int], channels: int, dropout: float) -> None:
        super().__init__()
        self.backbone, self.channels = backbone, channels
        pyramid = ASPP(backbone.channels[-1], rates, channels)
        pyramid.project[-1] = nn.Dropout(dropout)
        self.decoder = nn.Sequential(
            pyramid, nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c h8 w8"]:
        """Decoder features at the backbone's output stride, for RGB images in [0, 1]."""
        return self.decoder(self.backbone(images)[-1])
