"""A tiny encoder and the masks of the disc images."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.mask_store import write_masks
from pipeline.networks.backbone import save_backbone
from pipeline.networks.starting_weights import starting_backbone
from pipeline.params import Encoder
from tests.conftest import disc

REJECTED = 3


@pytest.fixture
def encoder_settings() -> Encoder:
    return Encoder(output_stride=8, atrous_rates=[2, 3], decoder_channels=32, dropout=0.1, embedding_dim=8)


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
