"""BAS-Net's own encoder (Qin et al., CVPR 2019, section 3.2)."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.masks.blocks import conv_block, residual_blocks


class ResidualEncoder(nn.Module):
    """A ResNet-34 without its stem's strides, and two more stages of three blocks each.

    `width` is the channel count of the first stage; at the 64 of a ResNet-34 its published weights fit.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)
        w = width
        self.stem = conv_block(3, w)
        self.backbone = nn.ModuleDict(
            {
                "layer1": residual_blocks(w, w, 3),
                "layer2": residual_blocks(w, 2 * w, 4, stride=2),
                "layer3": residual_blocks(2 * w, 4 * w, 6, stride=2),
                "layer4": residual_blocks(4 * w, 8 * w, 3, stride=2),
            }
        )
        self.deeper = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), *residual_blocks(8 * w, 8 * w, 3)) for _ in range(2)
        )

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Six maps, finest first, of RGB images in [0, 1], which the ImageNet statistics normalise."""
        features, maps = self.stem((images - self.mean) / self.std), []
        for stage in (*self.backbone.values(), *self.deeper):
            features = stage(features)
            maps.append(features)
        return maps

    def load_resnet34(self, state: Mapping[str, Tensor]) -> None:
        """Take over the four layers of a ResNet-34 and leave its stem and its classifier."""
        self.backbone.load_state_dict({key: value for key, value in state.items() if key.startswith("layer")})
