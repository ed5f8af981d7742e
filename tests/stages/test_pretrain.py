import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import profile
from pipeline.contrast.encoder import Encoder, load_encoder
from pipeline.mask_store import write_masks
from pipeline.networks.backbone import Backbone, save_backbone
from pipeline.params import load
from stages.pretrain import main
from tests.networks.test_starting_weights import sha256
from tests.profiles import SAMPLE_FILE

ENCODER = "{output_stride: 8, atrous_rates: [12, 24, 36], decoder_channels: 16, dropout: 0.0, embedding_dim: 4}"


def test_published_weights_without_epochs_are_the_encoder_and_need_no_mask(
    disc_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(SAMPLE_FILE, "params.yaml")
    Path("encoder.yaml").write_text(f"pretrain: {{split: train, encoder: {ENCODER}}}\n")
    profile.apply(Path("encoder.yaml"))
    published = Encoder(Backbone("lcnet_050", 8), load().pretrain.encoder).eval()
    names = {"deeplab.": "", "backbone.body.": "backbone.", "saliency_head.": "classification_head."}
    state = {}
    for name, tensor in published.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        state[f"module.model_q.{name}"] = tensor
    torch.save({"model": state, "epoch": 40}, "unsup.pth.tar")
    digest = sha256(Path("unsup.pth.tar"))
    Path("published.yaml").write_text(f"pretrain: {{weights: unsup.pth.tar, sha256: {digest}, epochs: 0}}\n")
    profile.apply(Path("published.yaml"))
    save_backbone(Path("start.pt"), Backbone("lcnet_050", 32))
    ids = [f"img_{i:02d}" for i in range(12)]
    write_masks(Path("masks.h5"), ids, np.array([[40, 48]] * 12), [np.zeros((40, 48), dtype=bool)] * 12)
    main(disc_images, Path("masks.h5"), Path("start.pt"), Path("out.pt"), Path("results"))
    images = torch.rand(1, 3, 48, 48)
    for found, expected in zip(load_encoder(Path("out.pt"))(images), published(images), strict=True):
        assert found.equal(expected)
    summary = json.loads(Path("results/summary.json").read_text())
    assert summary == {"images": 8, "used": 0, "without_mask": 8, "epoch": 0}
    assert not Path("results/log.csv").read_text().strip()
