"""What the saliency network alone knows of classes (paper Table 1): the last features of its pretrained part.

That is the feature map that a linear probe judges of every other network; the two deeper stages of BAS-Net are a
quarter of its size.
"""

from pathlib import Path

from torch import nn

from pipeline.masks.basnet_file import load_basnet
from pipeline.masks.residual_encoder import ResidualEncoder
from pipeline.networks.backbone import Backbone


def load_saliency_features(path: Path, output_stride: int) -> Backbone | ResidualEncoder:
    """The feature network of a BAS-Net's file, whose last map counts; InputError for another kind of file.

    A starting backbone that was its encoder comes at `output_stride`. BAS-Net's own encoder ends with the fourth ResNet
    layer here, whose stride is 8 whatever is asked for.
    """
    network, config = load_basnet(path)
    if isinstance(network.encoder, ResidualEncoder):
        network.encoder.deeper = nn.ModuleList()
        return network.encoder
    backbone = Backbone(config["backbone"], output_stride)
    backbone.load_state_dict(network.encoder.backbone.state_dict())  # type: ignore[union-attr, arg-type]
    return backbone
