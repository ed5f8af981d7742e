"""The DeepLab-v3 decoder (Chen et al., 2017) on a backbone's last feature map."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import ASPP

from pipeline.networks.backbone import Backbone
from pipeline.networks.weights import read_network


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


def load_deeplab(path: Path) -> DeepLab:
    """The DeepLab network of a pretrained encoder's file (kind `encoder`), without the encoder's two heads."""
    config, state = read_network(path, "encoder")
    backbone = Backbone(config["backbone"], config["output_stride"])
    deeplab = DeepLab(backbone, config["atrous_rates"], config["decoder_channels"], config["dropout"])
    prefix = "deeplab."
    deeplab.load_state_dict({key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)})
    return deeplab
