from pathlib import Path

import pytest
import torch

from pipeline.errors import InputError
from pipeline.masks.backbone_encoder import BackboneEncoder
from pipeline.masks.basnet import BasNet
from pipeline.masks.basnet_file import save_basnet
from pipeline.masks.saliency_features import load_saliency_features
from pipeline.networks.backbone import Backbone, save_backbone
from tests.masks.test_training import settings


def test_of_its_own_encoder_the_fourth_layer_is_the_last(tmp_path: Path):
    network, images = BasNet(4).eval(), torch.rand(2, 3, 64, 48)
    save_basnet(tmp_path / "basnet.pt", network, settings(encoder="resnet34"))
    features = load_saliency_features(tmp_path / "basnet.pt", 16).eval()
    with torch.no_grad():
        found, maps = features(images), network.encoder(images)
    assert found[-1].shape == (2, 32, 8, 6)
    torch.testing.assert_close(found[-1], maps[3], rtol=0, atol=0)


def test_a_starting_backbone_comes_with_its_trained_weights_at_the_output_stride(tmp_path: Path):
    network, images = BasNet(4, BackboneEncoder(Backbone("lcnet_050", 32), 4)).eval(), torch.rand(1, 3, 64, 64)
    save_basnet(tmp_path / "basnet.pt", network, settings(encoder="start"))
    same = load_saliency_features(tmp_path / "basnet.pt", 32).eval()
    with torch.no_grad():
        torch.testing.assert_close(
            same(images)[-1], network.encoder.get_submodule("backbone")(images)[-1], rtol=0, atol=0
        )
        assert load_saliency_features(tmp_path / "basnet.pt", 8).eval()(images)[-1].shape[2:] == (8, 8)


def test_another_network_is_refused(tmp_path: Path):
    save_backbone(tmp_path / "start.pt", Backbone("lcnet_050", 32))
    with pytest.raises(InputError, match=r"start.pt holds a 'backbone' network, not 'basnet'"):
        load_saliency_features(tmp_path / "start.pt", 8)
