from pathlib import Path

import pytest
import torch

from pipeline.errors import InputError
from pipeline.masks.basnet_start import starting_basnet
from pipeline.networks.backbone import Backbone, save_backbone
from pipeline.params import TrainBasnet
from tests.masks import release
from tests.masks.test_training import settings
from tests.networks.test_starting_weights import sha256


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


def released(path: Path, state: dict[str, torch.Tensor], width: int = 4) -> TrainBasnet:
    """The settings that ask for these weights."""
    torch.save({f"module.{key}": value for key, value in state.items()}, path)
    return settings(width=width, weights=str(path), sha256=sha256(path), epochs=0)


def test_the_release_is_taken_whole(tmp_path: Path):
    state = release.random_state(4)
    network = starting_basnet(tmp_path / "none.pt", released(tmp_path / "basnet.pth", state), 0)
    assert torch.equal(network.state_dict()["decoder.5.2.0.weight"], state["conv1d_2.weight"])
    assert torch.equal(network.state_dict()["encoder.stem.1.running_var"], state["inbn.running_var"])


def test_a_release_of_another_width_is_refused_with_both_shapes(tmp_path: Path):
    chosen = released(tmp_path / "basnet.pth", release.random_state(4), width=5)
    message = r"basnet.pth has encoder.stem.0.weight of shape \[4, 3, 3, 3\] but BAS-Net of width 5 needs \[5, "
    with pytest.raises(InputError, match=message):
        starting_basnet(tmp_path / "none.pt", chosen, 0)


def test_a_release_cut_short_is_refused_with_what_it_lacks(tmp_path: Path):
    state = release.random_state(4)
    del state["refunet.conv_d0.bias"], state["outconvb.weight"]
    with pytest.raises(
        InputError, match=r"basnet.pth lacks heads.0.weight, refiner.head.bias of BAS-Net of width 4; set"
    ):
        starting_basnet(tmp_path / "none.pt", released(tmp_path / "basnet.pth", state), 0)


def test_a_release_with_another_hash_is_refused_with_its_section(tmp_path: Path):
    chosen = released(tmp_path / "basnet.pth", {}).model_copy(update={"sha256": "beef"})
    with pytest.raises(InputError, match=r"not 'beef'; set train_basnet.sha256 to trust it"):
        starting_basnet(tmp_path / "none.pt", chosen, 0)


def test_no_epochs_need_weights_and_weights_need_their_encoder():
    with pytest.raises(ValueError, match="epochs are 0, which needs the weights of a trained network"):
        settings(epochs=0)
    with pytest.raises(
        ValueError, match="weights are basnet.pth, whose encoder is resnet34: set encoder to it, not start"
    ):
        settings(weights="basnet.pth", encoder="start")
