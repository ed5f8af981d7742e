"""The DeepLab-v3 decoder (Chen et al., 2017) on a backbone's last feature map."""

from pathlib import Path

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.segmentation.deeplabv3 import ASPP

from pipeline.networks.backbone import Backbone
from pipeline.networks.weights import read_network
from pipeline.params import Encoder


class DeepLab(nn.Module):
    """Backbone, atrous spatial pyramid pooling, and a 3x3 convolution to `decoder_channels` feature maps.

    With `shortcut` the backbone's features, projected to as many channels, are added before the last ReLU, since a new
    decoder hides what a trained backbone knows and takes long to learn it again.
    """

    def __init__(self, backbone: Backbone, settings: Encoder) -> None:
        super().__init__()
        self.backbone, self.channels = backbone, settings.decoder_channels
        incoming, channels = backbone.channels[-1], self.channels
        pyramid = ASPP(incoming, settings.atrous_rates, channels)
        pyramid.project[-1] = nn.Dropout(settings.dropout)
        self.decoder = nn.Sequential(
            pyramid, nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        self.shortcut = (
            nn.Sequential(nn.Conv2d(incoming, channels, 1, bias=False), nn.BatchNorm2d(channels))
            if settings.shortcut
            else None
        )

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c h8 w8"]:
        """Decoder features at the backbone's output stride, for RGB images in [0, 1]."""
        features = self.backbone(images)[-1]
        decoded = self.decoder(features)
        return F.relu(decoded if self.shortcut is None else decoded + self.shortcut(features))


def load_deeplab(path: Path) -> DeepLab:
    """The DeepLab network of a pretrained encoder's file (kind `encoder`), without the encoder's two heads."""
    config, state = read_network(path, "encoder")
    settings = Encoder(**{key: value for key, value in config.items() if key != "backbone"})
    deeplab = DeepLab(Backbone(config["backbone"], settings.output_stride), settings)
    prefix = "deeplab."
    deeplab.load_state_dict({key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)})
    return deeplab
