import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import nn
from torchvision.models.segmentation.deeplabv3 import ASPP

from pipeline import params
from pipeline.contrast.encoder import Encoder, build_encoder
from pipeline.contrast.encoder_start import starting_encoder
from pipeline.contrast.export import export, main
from pipeline.contrast.published import to_published
from pipeline.errors import InputError
from pipeline.networks.backbone import Backbone
from pipeline.networks.starting_weights import starting_backbone
from tests.contrast.release import RESNET50, Release
from tests.networks.test_starting_weights import sha256
from tests.profiles import PAPER, changed

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=[False, True], ids=["", "shortcut"])
def encoder_settings(encoder_settings: params.Encoder, request: pytest.FixtureRequest) -> params.Encoder:
    return changed(encoder_settings, shortcut=request.param)


@pytest.fixture
def exported(start: Path, encoder_settings: params.Encoder, tmp_path: Path) -> tuple[Encoder, Path]:
    """An encoder with statistics of its own, and the file that it was exported to."""
    encoder, out = build_encoder(start, encoder_settings), tmp_path / "encoder.safetensors"
    with torch.no_grad():
        encoder(torch.rand(4, 3, 64, 64))
    encoder.save(tmp_path / "encoder.pt")
    assert export(tmp_path / "encoder.pt", out) == len(encoder.state_dict())
    return encoder.eval(), out


def test_the_documented_lines_load_it_without_the_project(
    exported: tuple[Encoder, Path], monkeypatch: pytest.MonkeyPatch
):
    encoder, path = exported
    monkeypatch.chdir(path.parent)
    section = re.search(r"## Weights for elsewhere.+?\n## ", (ROOT / "docs" / "data.md").read_text(), re.DOTALL)
    load, features, heads = re.findall(r"```python\n(.+?)```", section.group(), re.DOTALL)  # type: ignore[union-attr]
    images = torch.rand(2, 3, 48, 64)
    names: dict[str, Any] = {"json": json, "safe_open": safe_open, "timm": timm, "torch": torch, "images": images}
    with torch.no_grad():
        exec(load + features, names)
        torch.testing.assert_close(names["features"], encoder.deeplab.backbone(images)[-1])
        names |= {"ASPP": ASPP, "F": F, "nn": nn}
        exec(heads, names)
        embeddings, saliency = encoder(images)
    torch.testing.assert_close(names["embeddings"], embeddings)
    torch.testing.assert_close(names["saliency"], saliency.sigmoid())


def test_it_comes_back_as_weights_of_the_pretraining_and_of_the_start(
    exported: tuple[Encoder, Path], start: Path, encoder_settings: params.Encoder
):
    encoder, path = exported
    chosen = {"weights": str(path), "sha256": sha256(path), "epochs": 0, "encoder": encoder_settings}
    settings = params.load(ROOT / "profiles" / "sample.yaml").pretrain.model_copy(update=chosen)
    state = starting_encoder(start, settings).state_dict()
    assert all(state[name].equal(tensor) for name, tensor in encoder.state_dict().items())
    body = starting_backbone("lcnet_050", str(path), sha256(path), 0).body.state_dict()
    assert all(body[name].equal(tensor) for name, tensor in encoder.deeplab.backbone.body.state_dict().items())
    other = settings.model_copy(update={"encoder": encoder_settings.model_copy(update={"atrous_rates": [12, 24]})})
    with pytest.raises(InputError, match=r"was trained with atrous rates \[2, 3\], not \[12, 24\]; set"):
        starting_encoder(start, other)


def test_the_papers_encoder_has_the_names_of_the_authors_checkpoints():
    with torch.device("meta"):
        found, expected = Encoder(Backbone("resnet50", 8), PAPER).state_dict(), Release(RESNET50).state_dict()
    assert {name: tensor.shape for name, tensor in to_published(found).items()} == {
        name: tensor.shape for name, tensor in expected.items()
    }


def test_the_same_encoder_gives_the_same_bytes(exported: tuple[Encoder, Path]):
    _, path = exported
    export(path.with_name("encoder.pt"), path.with_name("again.safetensors"))
    assert path.with_name("again.safetensors").read_bytes() == path.read_bytes()


def test_the_command_line_answers_in_one_line(
    exported: tuple[Encoder, Path], start: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    encoder, model = exported[0], str(tmp_path / "encoder.pt")
    assert main([model]) == 1
    assert "name the encoder and a file, as in" in caplog.messages[-1]
    assert main([model, str(tmp_path / "out.pth")]) == 1
    assert "out.pth is not called .safetensors" in caplog.messages[-1]
    assert main([str(start), str(tmp_path / "out.safetensors")]) == 1
    assert "holds a 'backbone' network, not 'encoder'" in caplog.messages[-1]
    assert not list(tmp_path.glob("out.*"))
    assert main([model, str(tmp_path / "out.safetensors")]) == 0
    assert caplog.messages[-1] == f"exported {len(encoder.state_dict())} tensors to {tmp_path / 'out.safetensors'}"
