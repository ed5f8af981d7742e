"""BAS-Net in a file that needs no other: its weights, its width and the kind of its encoder."""

from pathlib import Path
from typing import Any

from pipeline.derived_params import is_unsupervised
from pipeline.masks.basnet import BasNet
from pipeline.networks.weights import read_network, save_network
from pipeline.params import TrainBasnet


def save_basnet(path: Path, network: BasNet, settings: TrainBasnet) -> None:
    """Save the network and what it was made with: of `settings`, its `backbone`, and its `supervision`."""
    facts = settings.model_dump(include={"encoder", "sha256", "targets", "targets_from", "width"})
    facts["backbone"] = getattr(network.encoder.backbone, "name", "resnet34")
    facts["supervision"] = "unsupervised" if is_unsupervised(settings) else "supervised"
    save_network(path, "basnet", facts, network.state_dict())


def load_basnet(path: Path) -> tuple[BasNet, dict[str, Any]]:
    """The network of a file made by `save_basnet`, in training mode, and what it was made with."""
    config, state = read_network(path, "basnet")
    if config["encoder"] == "resnet34":
        network = BasNet(config["width"])
    else:
        # Only here, since they import timm, which takes longer than to predict the masks of the embedded sample.
        from pipeline.masks.backbone_encoder import BackboneEncoder
        from pipeline.networks.backbone import Backbone

        encoder = BackboneEncoder(Backbone(config["backbone"], output_stride=32), config["width"])
        network = BasNet(config["width"], encoder)
    network.load_state_dict(state)
    return network, config
