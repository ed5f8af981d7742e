from pathlib import Path

import pytest
import torch

from pipeline.contrast.encoder import Encoder, build_encoder, load_encoder
from pipeline.errors import InputError
from pipeline.networks.backbone import Backbone, load_backbone
from pipeline.networks.deeplab import load_deeplab
from pipeline.params import Encoder as EncoderSettings
from tests.profiles import PAPER


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_resnet50_encoder_has_the_papers_numbers_of_parameters():
    with torch.device("meta"):
        encoder = Encoder(Backbone("resnet50", 8), PAPER)
    assert count(encoder.deeplab.backbone) == 23_508_032
    assert count(encoder.deeplab.decoder) == 16_125_440
    assert count(encoder.head) == 8_224
    assert count(encoder.saliency_head) == 256


def test_outputs_have_stride_eight_and_one_saliency_channel(start: Path, encoder_settings: EncoderSettings):
    embeddings, saliency = build_encoder(start, encoder_settings).eval()(torch.rand(1, 3, 64, 48))
    assert embeddings.shape == (1, 8, 8, 6)
    assert saliency.shape == (1, 1, 8, 6)


def test_built_encoder_starts_from_the_given_backbone(start: Path, encoder_settings: EncoderSettings):
    expected = load_backbone(start, 8).state_dict()
    state = build_encoder(start, encoder_settings).deeplab.backbone.state_dict()
    assert all(state[name].equal(value) for name, value in expected.items())


def test_loaded_encoder_computes_what_the_saved_one_did(start: Path, encoder_settings: EncoderSettings, tmp_path: Path):
    encoder, images = build_encoder(start, encoder_settings).eval(), torch.rand(2, 3, 48, 48)
    encoder.save(tmp_path / "encoder.pt")
    for loaded, expected in zip(load_encoder(tmp_path / "encoder.pt")(images), encoder(images), strict=True):
        assert loaded.equal(expected)
    assert load_deeplab(tmp_path / "encoder.pt").eval()(images).equal(encoder.deeplab(images))


def test_a_backbone_file_is_refused_as_an_encoder(start: Path):
    with pytest.raises(InputError, match="holds a 'backbone' network, not 'encoder'"):
        load_encoder(start)
