from pathlib import Path

import pytest
import torch

from pipeline.errors import InputError
from pipeline.networks.backbone import Backbone, load_backbone, save_backbone
from pipeline.networks.deeplab import DeepLab, load_deeplab
from pipeline.networks.weights import read_network, save_network
from tests.profiles import SAMPLE, changed

SETTINGS = changed(SAMPLE.pretrain.encoder, decoder_channels=16)


def test_file_has_the_same_bytes_whatever_its_name(tmp_path: Path):
    for name in ("a.pt", "another.pt"):
        save_network(tmp_path / name, "toy", {"width": 2}, {"w": torch.arange(3.0)})
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another.pt").read_bytes()


def test_a_view_is_saved_without_its_base(tmp_path: Path):
    base = torch.zeros(1_000_000)
    save_network(tmp_path / "view.pt", "toy", {}, {"w": base[:3]})
    assert (tmp_path / "view.pt").stat().st_size < 10_000


def test_config_and_state_come_back(tmp_path: Path):
    save_network(tmp_path / "toy.pt", "toy", {"rates": [1, 2]}, {"w": torch.arange(3.0)})
    config, state = read_network(tmp_path / "toy.pt", "toy")
    assert config == {"rates": [1, 2]}
    assert state["w"].tolist() == [0, 1, 2]


def test_another_kind_of_file_and_a_missing_one_are_refused(tmp_path: Path):
    save_network(tmp_path / "toy.pt", "toy", {}, {})
    with pytest.raises(InputError, match=r"holds a 'toy' network, not 'basnet'"):
        read_network(tmp_path / "toy.pt", "basnet")
    with pytest.raises(InputError, match=r"none\.pt does not exist"):
        read_network(tmp_path / "none.pt", "toy")


def test_a_backbone_loads_at_any_output_stride(tmp_path: Path):
    backbone = Backbone("lcnet_050", 32)
    save_backbone(tmp_path / "start.pt", backbone)
    loaded = load_backbone(tmp_path / "start.pt", 8)
    assert loaded.output_stride == 8
    assert all(value.equal(loaded.state_dict()[name]) for name, value in backbone.state_dict().items())


def test_deeplab_is_read_out_of_an_encoder_file(tmp_path: Path):
    deeplab = DeepLab(Backbone("lcnet_050", 8), SETTINGS).eval()
    state = {f"deeplab.{name}": value for name, value in deeplab.state_dict().items()}
    heads = {"head.weight": torch.zeros(8, 16, 1, 1), "saliency_head.weight": torch.zeros(1, 16, 1, 1)}
    save_network(tmp_path / "encoder.pt", "encoder", {"backbone": "lcnet_050", **SETTINGS.model_dump()}, state | heads)
    images = torch.rand(1, 3, 32, 32)
    assert load_deeplab(tmp_path / "encoder.pt").eval()(images).equal(deeplab(images))


def test_a_damaged_file_is_refused_by_name(tmp_path: Path):
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(InputError, match=r"cut.pt is damaged \(.+\); delete it and run `dvc repro`"):
        read_network(tmp_path / "cut.pt", "basnet")
