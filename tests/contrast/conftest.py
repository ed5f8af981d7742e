"""A tiny encoder and the masks of the disc images."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.mask_store import write_masks
from pipeline.networks.backbone import save_backbone
from pipeline.networks.starting_weights import starting_backbone
from pipeline.params import Encoder, Jitter, Pretrain, Views
from tests.conftest import disc

REJECTED = 3


@pytest.fixture
def encoder_settings() -> Encoder:
    return Encoder(output_stride=8, atrous_rates=[2, 3], decoder_channels=32, dropout=0.1, embedding_dim=8)


@pytest.fixture
def settings(encoder_settings: Encoder) -> Pretrain:
    jitter = Jitter(
        brightness=0.1,
        contrast=0.1,
        saturation=0.1,
        hue=0.0,
        probability=0.5,
        grey_probability=0.0,
        flip_probability=0.5,
        blur_probability=0.0,
        blur_sigma=[0.1, 2.0],
    )
    views = Views(
        size=48, min_scale=0.5, min_foreground=0.01, max_foreground=0.99, max_tries=50, transforms="fast",
        augmentation="moco", moco=jitter, simclr=jitter,
    )  # fmt: skip
    return Pretrain(
        split="all", encoder=encoder_settings, weights="", sha256="", views=views, frozen_stages=0, batch=4, epochs=2,
        learning_rate=0.05,
        backbone_rate_factor=1.0, weight_decay=1e-4, warmup_steps=2, augmented_views=True, queue=6,
        negatives="global", batchnorm="shuffled", temperature=0.5, momentum=0.9, saliency_weight=1.0,
        class_balance=True, saliency_balance=True,
    )  # fmt: skip


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A file of random starting weights."""
    path = tmp_path / "start.pt"
    save_backbone(path, starting_backbone("lcnet_050", "random", "", 0))
    return path


@pytest.fixture
def disc_masks(tmp_path: Path) -> Path:
    """The masks of `disc_images`; the one of image `REJECTED` is rejected."""
    path = tmp_path / "masks.h5"
    masks = [disc(i) & (i != REJECTED) for i in range(12)]
    write_masks(path, [f"img_{i:02d}" for i in range(12)], np.array([[40, 48]] * 12), masks)
    return path
