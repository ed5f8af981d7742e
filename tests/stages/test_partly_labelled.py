"""A folder of photographs of which few are labelled: stages score what they can, and the others say why not."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline import profile
from pipeline.embedding_store import write_embeddings
from pipeline.images.codecs import encode_png
from pipeline.packed import write_packed
from stages import draw_splits, finetune, probe_linear, retrieve, score_baselines
from tests.conftest import disc

IN_TRAIN, IN_VAL = "img_02", "img_09"
SCORING = ("draw_splits", "finetune", "probe_linear", "retrieve", "score_baselines")
CLASSES = ["background", "disc"]
CHOSEN = """
retrieve: {bank: train, kept_classes: [], size: 0}
draw_splits: {train: train}
cluster: {clusters: [2], components: 4}
bundle_predictor: {clusters: 2}
score_baselines: {untrained: {backbone: test_byobnet, weights: random, sha256: ''}}
"""


@pytest.fixture
def run_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the other stages, with what MaskContrast found salient: the discs."""
    (tmp_path / "chosen.yaml").write_text(CHOSEN)
    profile.apply(tmp_path / "chosen.yaml", folder / "params.yaml")
    made = {"size": 48, "threshold": 0.5, "pooling": {"weight": "uniform", "normalize_pixels": True}}
    saliency = [np.pad(255 * disc(i).astype(np.uint8), ((0, 8), (0, 0))) for i in range(12)]
    tables = {"maskcontrast": np.ones((12, 2), dtype=np.float32)}
    ids = [f"img_{i:02d}" for i in range(12)]
    write_embeddings(folder / "e.h5", ids, saliency, tables, 48, made | {"cells": {"grid": 3}})
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MASKCONTRAST_DEVICE", "cpu")
    return folder


def score_all(*labelled: str) -> dict[str, dict]:
    """The summaries of all stages that want labels in certain splits, where these images alone have label maps."""
    entries = [(image_id, encode_png(disc(int(image_id[4:])).astype(np.uint8))) for image_id in labelled]
    images, labels, stored, out = Path("images.h5"), Path("labels.h5"), Path("e.h5"), Path("out")
    write_packed(labels, entries, "labels", metadata={"classes": CLASSES, "partly": True})
    start, encoder, basnet = Path("start.pt"), Path("encoder.pt"), Path("basnet.pt")
    draw_splits.main(images, labels, Path("lists"), out / "draw_splits")
    finetune.main(1.0, 0, "start", images, labels, Path("lists/1.0-0.txt"), start, out / "finetune")
    probe_linear.main(images, labels, start, encoder, out / "probe_linear")
    retrieve.main(images, stored, labels, out / "retrieve")
    score_baselines.main("untrained", images, labels, stored, basnet, out / "score_baselines")
    return {path.parent.name: json.loads(path.read_text()) for path in out.glob("*/summary.json")}


@pytest.mark.parametrize(("labelled", "bare"), [(IN_VAL, "train"), (IN_TRAIN, "val")])
def test_a_split_without_a_label_is_told_and_not_scored(
    run_folder: Path, labelled: str, bare: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        found = score_all(labelled)
    # With labels in `train` there is a list to draw, which has no summary.
    assert found == {name: {} for name in SCORING if name != "draw_splits" or bare == "train"}
    told = f"labels.h5 holds no label map of split {bare}"
    assert caplog.text.count(told) >= 3
    assert (run_folder / "lists" / "1.0-0.txt").read_text() == ("" if bare == "train" else f"{IN_TRAIN}\n")


@pytest.mark.parametrize("labelled", [(), (IN_VAL,)])
def test_a_set_that_nobody_has_split_is_told_and_not_scored(run_folder: Path, labelled: tuple[str, ...]) -> None:
    with h5py.File(run_folder / "images.h5", "r+") as file:
        del file["splits"]
    assert score_all(*labelled) == {name: {} for name in SCORING}


def test_one_label_in_either_split_is_enough_for_every_score(run_folder: Path) -> None:
    found = score_all(IN_TRAIN, IN_VAL)
    assert found["finetune"]["images"] == 1
    assert 0 < found["finetune"]["miou"] <= 100
    assert 0 < found["probe_linear"]["start"]["last"]["miou_mean"] <= 100
    assert found["retrieve"]["maskcontrast"]["bank"] == 1
    assert found["score_baselines"].keys() > {"linear", "retrieve"}
