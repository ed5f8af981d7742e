import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

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


@pytest.mark.parametrize(
    "wrapper, prefix, beside",
    [
        ("state_dict", "module.encoder_q.", ["module.encoder_q.fc.2.bias", "module.encoder_k.fc.2.bias"]),
        ("model", "module.encoder.", ["module.head.0.weight"]),
        ("model", "module.model_q.backbone.", ["module.model_q.decoder.1.weight", "module.queue_ptr"]),
        ("", "backbone.", ["decoder.4.weight"]),
        ("", "module.", ["module.projection_head.0.weight", "module.prototypes.weight"]),
        ("state_dict", "", ["conv_head.weight", "classifier.bias"]),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_checkpoints_of_other_projects_are_loaded(
    tmp_path: Path, wrapper: str, prefix: str, beside: list[str], zipped: bool
):
    expected, path = starting_backbone(NAME, "random", "", 5), tmp_path / "checkpoint.pth.tar"
    state = {prefix + name: value for name, value in expected.body.state_dict().items()}
    state |= {name: torch.zeros(2) for name in beside}
    content = {wrapper: state, "epoch": 800, "optimizer": {"state": {}}} if wrapper else state
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert same(starting_backbone(NAME, str(path), sha256(path), 0), expected)


def test_a_tensor_of_no_known_part_is_refused_by_name(tmp_path: Path):
    path, state = tmp_path / "more.pth", starting_backbone(NAME, "random", "", 5).body.state_dict()
    torch.save({**state, "classifier.weight": torch.zeros(2), "adapter.weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match=r"more.pth holds adapter.weight, which lcnet_050 has not; set "):
        starting_backbone(NAME, str(path), sha256(path), 0)


class Malicious:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["moco.pth.tar", "moco.pt"])
def test_a_pickle_that_runs_something_is_refused_and_nothing_in_it_runs(tmp_path: Path, name: str, zipped: bool):
    path, folder = tmp_path / name, tmp_path / "ran"
    state = starting_backbone(NAME, "random", "", 5).body.state_dict()
    torch.save({"state_dict": state, "arch": Malicious(folder)}, path, _use_new_zipfile_serialization=zipped)
    message = rf"{name} cannot be read \(UnpicklingError\): it holds posix.mkdir, which is no tensor and was not run"
    with pytest.raises(InputError, match=message):
        starting_backbone(NAME, str(path), sha256(path), 0)
    assert not folder.exists()
    torch.load(path, weights_only=False)
    assert folder.exists()


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
    message = (
        r"other.pth lacks conv_stem.weight, bn1.weight, bn1.bias and [0-9]+ more tensors of lcnet_050 "
        r"and holds conv1.weight, which lcnet_050 has not; set prepare_weights.backbone"
    )
    with pytest.raises(InputError, match=message):
        starting_backbone(NAME, str(path), sha256(path), 0)


def test_weights_of_another_width_are_refused_with_both_shapes(tmp_path: Path):
    path = tmp_path / "wide.pth"
    torch.save(starting_backbone("lcnet_075", "random", "", 0).body.state_dict(), path)
    message = r"wide.pth has conv_stem.weight of shape \[16, 3, 3, 3\] but lcnet_050 needs \[8, 3, 3, 3\]; set "
    with pytest.raises(InputError, match=message):
        starting_backbone(NAME, str(path), sha256(path), 0)


@pytest.mark.parametrize("name", ["half.pth", "half.pt", "half.safetensors"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, name: str):
    path = tmp_path / name
    save = save_file if path.suffix == ".safetensors" else torch.save
    save({"a": torch.ones(100)}, path)  # type: ignore[operator]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=rf"weights file .*{name} cannot be read \(.+\): .* get it again"):
        read_state_dict(path, sha256(path))


def test_a_web_page_instead_of_weights_is_refused(tmp_path: Path):
    path = tmp_path / "moco.pth"
    path.write_text("<html>404</html>")
    with pytest.raises(InputError, match=r"moco.pth cannot be read"):
        read_state_dict(path, sha256(path))


@pytest.mark.parametrize(
    "content, found",
    [
        ([torch.zeros(1)], "holds a list; save the model's state_dict"),
        ({"state_dict": [torch.zeros(1)]}, "holds a list; save the model's state_dict"),
        ({"net": {"a": torch.zeros(1)}, "epoch": 800}, "holds a dict as 'net', not a tensor with a name; save"),
        ({0: torch.zeros(1)}, "holds a Tensor as 0, not a tensor with a name; save"),
    ],
)
def test_a_checkpoint_without_named_tensors_is_refused(tmp_path: Path, content: object, found: str):
    path = tmp_path / "odd.pth"
    torch.save(content, path)
    with pytest.raises(InputError, match=f"weights file .*odd.pth {found}"):
        read_state_dict(path, sha256(path))


@pytest.mark.parametrize("weights", ["", "."])
def test_a_folder_is_no_weights_file(weights: str):
    with pytest.raises(InputError, match="does not exist; put it there"):
        starting_backbone(NAME, weights, "", 0)


@pytest.mark.parametrize("error", [OSError("offline"), RuntimeError("No pretrained weights exist")])
def test_a_download_that_fails_asks_for_a_file(monkeypatch: pytest.MonkeyPatch, error: Exception):
    create_model = timm.create_model

    def offline(name: str, pretrained: bool, **options: Any) -> nn.Module:
        if pretrained:
            raise error
        return create_model(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    message = rf"timm's weights of lcnet_050 could not be downloaded \({type(error).__name__}\); set .* to a file"
    with pytest.raises(InputError, match=message):
        starting_backbone(NAME, "timm", "", 0)


def test_a_model_whose_feature_network_has_other_names_is_loaded_whole(tmp_path: Path):
    model = timm.create_model("test_byobnet").eval()
    save_file(model.state_dict(), tmp_path / "byob.safetensors")
    weights = tmp_path / "byob.safetensors"
    backbone = starting_backbone("test_byobnet", str(weights), sha256(weights), 0).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = model.stages(model.stem((images - backbone.mean) / backbone.std))  # type: ignore[operator]
        torch.testing.assert_close(backbone(images)[-1], expected)
