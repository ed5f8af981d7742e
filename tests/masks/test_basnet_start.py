from pathlib import Path

import pytest
import torch

from pipeline.masks.basnet_start import starting_basnet
from pipeline.networks.backbone import Backbone, save_backbone
from tests.masks.test_training import settings


def saved(path: Path, name: str) -> Backbone:
    backbone = Backbone(name, 32)
    save_backbone(path, backbone)
    return backbone


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_the_starting_backbone_becomes_the_encoder_with_its_weights(tmp_path: Path):
    backbone = saved(tmp_path / "start.pt", "lcnet_050")
    network = starting_basnet(tmp_path / "start.pt", settings(encoder="start"), 0)
    assert same(network.encoder.backbone.state_dict(), backbone.state_dict())  # type: ignore[union-attr, operator]


def test_a_resnet34_gives_its_layers_to_the_own_encoder_at_width_64(tmp_path: Path):
    body = saved(tmp_path / "start.pt", "resnet34").body.state_dict()
    network = starting_basnet(tmp_path / "start.pt", settings(width=64), 0)
    layers = {key: value for key, value in body.items() if key.startswith("layer")}
    assert len(layers) == 32 * 6 + 3 * 6
    assert same(network.encoder.backbone.state_dict(), layers)  # type: ignore[union-attr, operator]


@pytest.mark.parametrize("width, name", [(4, "resnet34"), (64, "lcnet_050")])
def test_other_starting_weights_leave_the_own_encoder_random(tmp_path: Path, width: int, name: str):
    saved(tmp_path / "start.pt", name)
    first, again, other = (starting_basnet(tmp_path / "start.pt", settings(width=width), seed) for seed in (0, 0, 1))
    assert same(first.state_dict(), again.state_dict())
    assert not same(first.state_dict(), other.state_dict())
