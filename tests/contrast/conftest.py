"""A tiny encoder and the masks of the disc images."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.mask_store import write_masks
from pipeline.networks.backbone import save_backbone
from pipeline.networks.starting_weights import starting_backbone
from pipeline.params import Encoder, Pretrain
from tests.conftest import disc
from tests.images.augmentation import jitter, views
from tests.profiles import SAMPLE, changed

REJECTED = 3


@pytest.fixture
def encoder_settings() -> Encoder:
    return changed(SAMPLE.pretrain.encoder, atrous_rates=[2, 3], decoder_channels=32, dropout=0.1, embedding_dim=8)


@pytest.fixture
def settings(encoder_settings: Encoder) -> Pretrain:
    slight = jitter(brightness=0.1, contrast=0.1, saturation=0.1, probability=0.5, flip_probability=0.5)
    return changed(
        SAMPLE.pretrain, split="all", encoder=encoder_settings, views=views(slight, size=48, transforms="fast"),
        batch=4, epochs=2, warmup_steps=2, queue=6, temperature=0.5, momentum=0.9, saliency_weight=1.0,
        class_balance=True,
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
