import pytest
import torch
from torch import nn

from pipeline.networks.backbone import Backbone
from pipeline.networks.deeplab import DeepLab
from tests.profiles import PAPER, SAMPLE, changed

SETTINGS = changed(SAMPLE.pretrain.encoder, atrous_rates=[2, 3], decoder_channels=16, dropout=0.25)


@pytest.fixture(scope="module")
def deeplab() -> DeepLab:
    return DeepLab(Backbone("lcnet_050", 8), SETTINGS)


def test_decoder_features_have_stride_eight_and_the_given_channels(deeplab: DeepLab):
    assert deeplab.eval()(torch.rand(1, 3, 48, 64)).shape == (1, 16, 6, 8)


def test_pyramid_has_the_given_rates_and_dropout(deeplab: DeepLab):
    dilations = {module.dilation for module in deeplab.decoder.modules() if isinstance(module, nn.Conv2d)}
    assert dilations == {(1, 1), (2, 2), (3, 3)}
    assert [module.p for module in deeplab.modules() if isinstance(module, nn.Dropout)] == [0.25]


def test_decoder_on_resnet50_has_the_papers_number_of_parameters():
    with torch.device("meta"):
        decoder = DeepLab(Backbone("resnet50", 8), PAPER).decoder
    assert sum(parameter.numel() for parameter in decoder.parameters()) == 16_125_440


def test_a_shortcut_adds_what_the_backbone_knows():
    deeplab = DeepLab(Backbone("lcnet_050", 8), changed(SETTINGS, shortcut=True)).eval()
    assert deeplab.shortcut is not None
    nn.init.zeros_(deeplab.decoder[-1].weight)  # type: ignore[arg-type]
    images = torch.rand(1, 3, 48, 64)
    assert deeplab(images).equal(deeplab.shortcut(deeplab.backbone(images)[-1]).relu())
