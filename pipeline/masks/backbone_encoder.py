"""Any convolutional backbone as the encoder of BAS-Net."""

from jaxtyping import Float
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.masks.blocks import conv_block
from pipeline.networks.backbone import Backbone

STRIDES = [2, 4, 8, 16, 32]


class BackboneEncoder(nn.Module):
    """The five stages of a backbone behind a convolution of `width` channels at the size of the image.

    A 1x1 convolution brings each stage to the channels that the decoder expects there, so that bridge, decoder and
    refiner are those of BAS-Net whatever the backbone. Raises InputError unless its strides are 2, 4, 8, 16 and 32.
    """

    def __init__(self, backbone: Backbone, width: int) -> None:
        super().__init__()
        if backbone.strides != STRIDES:
            raise InputError(
                f"{backbone.name} has feature maps at strides {backbone.strides}, and as an encoder of BAS-Net it needs"
                f" {STRIDES}; set train_basnet.encoder to resnet34, or choose another prepare_weights.backbone"
            )
        self.backbone = backbone
        self.stem = conv_block(3, width)
        outputs = (2 * width, 4 * width, 8 * width, 8 * width, 8 * width)
        self.laterals = nn.ModuleList(_lateral(*pair) for pair in zip(backbone.channels, outputs, strict=True))

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Six maps, finest first, of RGB images in [0, 1]."""
        finest = self.stem((images - self.backbone.mean) / self.backbone.std)
        return [finest, *(lateral(each) for lateral, each in zip(self.laterals, self.backbone(images), strict=True))]


def _lateral(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
