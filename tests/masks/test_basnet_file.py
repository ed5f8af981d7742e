import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline.masks.backbone_encoder import BackboneEncoder
from pipeline.masks.basnet import BasNet
from pipeline.masks.basnet_file import load_basnet, save_basnet
from pipeline.networks.backbone import Backbone
from tests.masks.test_training import settings


def made(encoder: str) -> BasNet:
    return BasNet(4, BackboneEncoder(Backbone("lcnet_050", 32), 4) if encoder == "start" else None)


@pytest.mark.parametrize("encoder", ["resnet34", "start"])
def test_the_network_comes_back_from_its_file_alone(encoder: str, tmp_path: Path):
    network, images = made(encoder).eval(), torch.rand(1, 3, 33, 40)
    save_basnet(tmp_path / "basnet.pt", network, settings(encoder=encoder))
    loaded, _ = load_basnet(tmp_path / "basnet.pt")
    with torch.no_grad():
        torch.testing.assert_close(loaded.eval()(images), network(images), rtol=0, atol=0)


def test_the_file_says_what_the_network_is(tmp_path: Path):
    save_basnet(tmp_path / "basnet.pt", made("start"), settings(encoder="start", targets="soft"))
    _, config = load_basnet(tmp_path / "basnet.pt")
    assert config == {
        "encoder": "start",
        "backbone": "lcnet_050",
        "width": 4,
        "sha256": "",
        "targets": "soft",
        "targets_from": "pseudolabels/fused",
        "supervision": "unsupervised",
    }


@pytest.mark.parametrize("changes", [{"targets_from": "labels/proposal"}, {"weights": "basnet.pth"}])
def test_masks_and_released_weights_are_supervision(changes: dict[str, str], tmp_path: Path):
    save_basnet(tmp_path / "basnet.pt", made("resnet34"), settings(**changes))
    assert load_basnet(tmp_path / "basnet.pt")[1]["supervision"] == "supervised"


def test_the_own_encoder_is_loaded_without_timm(tmp_path: Path):
    save_basnet(tmp_path / "basnet.pt", made("resnet34"), settings())
    source = (
        "import sys; from pathlib import Path; from stages.predict_saliency import load_basnet;"
        f"load_basnet(Path({str(tmp_path / 'basnet.pt')!r})); print('timm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
