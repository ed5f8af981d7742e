import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.images.codecs import encode_png
from pipeline.networks.backbone import save_backbone
from pipeline.networks.weights import save_network
from pipeline.packed import write_packed
from pipeline.params import load
from stages import probe_linear
from tests.conftest import disc
from tests.profiles import SAMPLE, changed
from tests.segmentation.networks import random_backbone, random_deeplab

ENCODER = changed(SAMPLE.pretrain.encoder, atrous_rates=[1, 2], decoder_channels=32, dropout=0.5)
SETTINGS = {"train": "train", "test": "val", "size": 48, "batch": 3, "epochs": 3, "evaluate_every": 2, "views": 2}


@pytest.fixture
def inputs(disc_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path, Path]:
    """Images of discs, their labels, and both networks, with the parameters of a short run in a folder of its own."""
    entries = [(f"img_{i:02d}", encode_png(disc(i).astype("uint8"))) for i in range(12)]
    write_packed(tmp_path / "labels.h5", entries, "labels", metadata={"classes": ["background", "disc"]})
    save_backbone(tmp_path / "start.pt", random_backbone())
    config = {"backbone": "test_resnet", **ENCODER.model_dump()}
    state = {f"deeplab.{name}": tensor for name, tensor in random_deeplab().state_dict().items()}
    save_network(tmp_path / "maskcontrast.pt", "encoder", config, state)
    section = changed(SAMPLE.probe_linear, **SETTINGS, seeds=[0, 1])
    params = load().model_copy(update={"probe_linear": section})
    monkeypatch.setattr(probe_linear, "load", lambda: params)
    monkeypatch.chdir(tmp_path)
    return disc_images, tmp_path / "labels.h5", tmp_path / "start.pt", tmp_path / "maskcontrast.pt"


def test_last_and_best_epoch_of_both_networks_are_reported(
    inputs: tuple[Path, Path, Path, Path], tmp_path: Path
) -> None:
    probe_linear.main(*inputs, tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    table = pd.read_csv(tmp_path / "out" / "iou_per_class.csv")
    assert list(summary) == ["maskcontrast", "start"]
    for network, found in summary.items():
        assert list(found) == ["seeds", "last", "best_on_val"]
        assert found["seeds"] == 2
        for epoch in ("last", "best_on_val"):
            of_epoch = table.query(f"init == '{network}' and epoch == '{epoch}'")
            assert found[epoch]["miou_mean"] == pytest.approx(np.mean(of_epoch["iou"].tolist()), abs=1e-3)
    assert sorted(table["class"].unique()) == ["background", "disc"]
    validation = pd.read_csv(tmp_path / "out" / "validation.csv")
    assert validation["epoch"].tolist() == [2, 3] * 4
    assert sum(pd.read_csv(tmp_path / "out" / "confusion.csv")["pixels"]) == 4 * 40 * 48


def test_a_second_run_writes_the_same_bytes(inputs: tuple[Path, Path, Path, Path], tmp_path: Path) -> None:
    for name in ("first", "second"):
        probe_linear.main(*inputs, tmp_path / name)
        shutil.rmtree(tmp_path / ".scratch")
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()
