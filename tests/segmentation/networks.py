"""Random networks and a section for tests of the linear probe."""

import torch

from pipeline.networks.backbone import Backbone
from pipeline.networks.deeplab import DeepLab
from tests.profiles import SAMPLE, changed

SECTION = changed(
    SAMPLE.probe_linear,
    train="train", test="val", size=64, batch=3, epochs=40, evaluate_every=20, decay_epochs=[30], seeds=[0],
)  # fmt: skip


def random_backbone() -> Backbone:
    """A small backbone with random weights, always the same."""
    torch.manual_seed(0)
    return Backbone("test_resnet", output_stride=8)


def random_deeplab() -> DeepLab:
    """The same under a decoder of 32 channels with dropout."""
    return DeepLab(
        random_backbone(), changed(SAMPLE.pretrain.encoder, atrous_rates=[1, 2], decoder_channels=32, dropout=0.5)
    )
