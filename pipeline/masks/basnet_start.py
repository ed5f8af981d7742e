"""The BAS-Net that a training starts from."""

from pathlib import Path

from pipeline.masks.backbone_encoder import BackboneEncoder
from pipeline.masks.basnet import BasNet
from pipeline.masks.published import from_published
from pipeline.masks.residual_encoder import ResidualEncoder
from pipeline.networks.backbone import load_backbone
from pipeline.networks.starting_weights import load_checked, read_state_dict
from pipeline.networks.weights import read_network
from pipeline.params import TrainBasnet
from pipeline.seeding import seed_torch


def starting_basnet(start: Path, settings: TrainBasnet, seed: int) -> BasNet:
    """The released BAS-Net of `settings.weights`; or one from `seed`, its encoder from the backbone in `start`.

    With encoder `start` that backbone is the encoder. With `resnet34` the encoder is BAS-Net's own: its four ResNet
    layers take the weights over where the backbone is a ResNet-34 and the width 64, and are random otherwise.
    InputError when the weights are not those of BAS-Net at `settings.width`, or the backbone does not suit.
    """
    seed_torch(seed, "BAS-Net")
    if settings.weights:
        return _released_basnet(settings)
    if settings.encoder == "start":
        backbone = load_backbone(start, output_stride=32)
        return BasNet(settings.width, BackboneEncoder(backbone, settings.width))
    encoder = ResidualEncoder(settings.width)
    config, state = read_network(start, "backbone")
    if config["backbone"].partition(".")[0] == "resnet34" and settings.width == 64:
        encoder.load_resnet34(state)
    return BasNet(settings.width, encoder)


def _released_basnet(settings: TrainBasnet) -> BasNet:
    state = read_state_dict(Path(settings.weights), settings.sha256, "train_basnet")
    network, name = BasNet(settings.width), f"BAS-Net of width {settings.width}"
    remedy = "set train_basnet.width to that of the weights, 64 for the authors'"
    load_checked(network, from_published(state, settings.weights), settings.weights, name, remedy)
    return network
