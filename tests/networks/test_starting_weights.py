import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import InputError
from pipeline.networks.backbone import Backbone
from pipeline.networks.starting_weights import read_state_dict, starting_backbone

NAME = "lcnet_050"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def same(a: Backbone, b: Backbone) -> bool:
    return all(value.equal(b.state_dict()[name]) for name, value in a.state_dict().items())


def test_random_weights_follow_the_seed():
    first = starting_backbone(NAME, "random", "", 0)
    assert same(first, starting_backbone(NAME, "random", "", 0))
    assert not same(first, starting_backbone(NAME, "random", "", 1))


@pytest.mark.parametrize("prefix", ["", "module.encoder_q.", "module.backbone."])
def test_checkpoint_with_wrapped_names_and_a_classifier_is_loaded(tmp_path: Path, prefix: str):
    expected, path = starting_backbone(NAME, "random", "", 5), tmp_path / "moco.pth"
    state = {prefix + name: value for name, value in expected.body.state_dict().items()}
    torch.save({"state_dict": state | {prefix + "fc.weight": torch.zeros(2, 2)}, "epoch": 800}, path)
    assert same(starting_backbone(NAME, str(path), sha256(path), 0), expected)


def test_safetensors_are_loaded_as_float32(tmp_path: Path):
    path = tmp_path / "weights.safetensors"
    save_file({"module.a": torch.ones(2, dtype=torch.half)}, path)
    state = read_state_dict(path, sha256(path))
    assert state["a"].dtype == torch.float32


def test_file_with_another_hash_is_refused(tmp_path: Path):
    path = tmp_path / "weights.pth"
    torch.save({}, path)
    with pytest.raises(InputError, match=f"has sha256 {sha256(path)}, not 'beef'"):
        starting_backbone(NAME, str(path), "beef", 0)


def test_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"weights file .*none\.pth does not exist"):
        starting_backbone(NAME, str(tmp_path / "none.pth"), "", 0)


def test_weights_of_another_model_are_refused(tmp_path: Path):
    path = tmp_path / "other.pth"
    torch.save({"conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="lacks conv_stem.weight and [0-9]+ more tensors of lcnet_050"):
        starting_backbone(NAME, str(path), sha256(path), 0)
