"""The BAS-Net that a training starts from."""

from pathlib import Path

from pipeline.masks.backbone_encoder import BackboneEncoder
from pipeline.masks.basnet import BasNet
from pipeline.masks.residual_encoder import ResidualEncoder
from pipeline.networks.backbone import load_backbone
from pipeline.networks.weights import read_network
from pipeline.params import TrainBasnet
from pipeline.seeding import seed_torch


def starting_basnet(start: Path, settings: TrainBasnet, seed: int) -> BasNet:
    """A BAS-Net whose encoder starts from the backbone in the file `start` and whose rest is random, from `seed`.

    With encoder `start` that backbone is the encoder. With `resnet34` the encoder is BAS-Net's own: its four ResNet
    layers take the weights over where the backbone is a ResNet-34 and the width 64, and are random otherwise.
    """
    seed_torch(seed, "BAS-Net")
    if settings.encoder == "start":
        backbone = load_backbone(start, output_stride=32)
        return BasNet(settings.width, BackboneEncoder(backbone, settings.width))
    encoder = ResidualEncoder(settings.width)
    config, state = read_network(start, "backbone")
    if config["backbone"].partition(".")[0] == "resnet34" and settings.width == 64:
        encoder.load_resnet34(state)
    return BasNet(settings.width, encoder)
