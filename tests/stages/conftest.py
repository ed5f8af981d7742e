"""A folder with all that a stage that trains needs."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline import params, profile
from pipeline.contrast.encoder import build_encoder
from pipeline.images.codecs import encode_png
from pipeline.mask_store import write_masks
from pipeline.masks.basnet import BasNet
from pipeline.masks.basnet_file import save_basnet
from pipeline.networks.backbone import save_backbone
from pipeline.networks.starting_weights import starting_backbone
from pipeline.packed import write_packed
from tests.conftest import disc
from tests.stages.tiny_runs import ROOT

SHORTER = """
refine_pseudolabels: {epochs: 3, learning_rates: [0.003, 0.006]}
fuse_pseudolabels: {epochs: 3}
train_basnet: {epochs: 3}
predict_saliency: {batch: 2}
# A new network has a saliency of a half everywhere; with this threshold there is something to pool.
embed: {batch: 11, paper: {threshold: 0.4}, cells: {splits: [val, train], grid: 0, budget_mib: 2}}
pretrain: {split: all, batch: 4, epochs: 3, encoder: {dropout: 0.1}}
probe_linear: {train: train, batch: 3, epochs: 3, evaluate_every: 1, seeds: [0, 1]}
"""


@pytest.fixture
def folder(tmp_path: Path, disc_images: Path, disc_maps: Path) -> Path:
    """A folder with the inputs of all these stages and the parameters of a very short run."""
    folder = tmp_path / "folder"
    (folder / "maps").mkdir(parents=True)
    shutil.copy(ROOT / "profiles" / "sample.yaml", folder / "params.yaml")
    (tmp_path / "shorter.yaml").write_text(SHORTER)
    for overlay in (ROOT / "tests" / "tiny.yaml", tmp_path / "shorter.yaml"):
        profile.apply(overlay, folder / "params.yaml")
    for images in ("images.h5", "unseen.h5"):
        shutil.copy(disc_images, folder / images)
    for prior in ("rbd", "mc"):
        shutil.copy(disc_maps, folder / "maps" / f"{prior}.h5")
    ids, sizes = [f"img_{i:02d}" for i in range(12)], np.array([[40, 48]] * 12)
    write_masks(folder / "masks.h5", ids, sizes, map(disc, range(12)))
    save_backbone(folder / "start.pt", starting_backbone("test_byobnet", "random", "", 0))
    loaded = params.load(folder / "params.yaml")
    save_basnet(folder / "basnet.pt", BasNet(4), loaded.train_basnet.model_copy(update={"width": 4}))
    build_encoder(folder / "start.pt", loaded.pretrain.encoder).save(folder / "encoder.pt")
    labels = [(image_id, encode_png(disc(i).astype(np.uint8))) for i, image_id in enumerate(ids)]
    write_packed(folder / "labels.h5", labels, "labels", metadata={"classes": ["background", "disc"]})
    return folder
