import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import profile
from pipeline.embedding_store import write_embeddings
from pipeline.errors import InputError
from pipeline.images.codecs import encode_png
from pipeline.packed import write_packed
from stages.score_baselines import main
from tests.conftest import disc

BASELINES = """
probe_linear: {train: train, epochs: 10, seeds: [0]}
retrieve: {kept_classes: [], size: 0}
cluster: {clusters: [2], components: 4}
bundle_predictor: {clusters: 2}
score_baselines:
  saliency: {backbone: basnet, weights: '', sha256: ''}
  untrained: {backbone: test_byobnet, weights: random, sha256: ''}
"""


@pytest.fixture
def run_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the other stages, with discs as the one class, and as what MaskContrast found salient."""
    (tmp_path / "baselines.yaml").write_text(BASELINES)
    profile.apply(tmp_path / "baselines.yaml", folder / "params.yaml")
    ids, objects = [f"img_{i:02d}" for i in range(12)], [disc(i).astype(np.uint8) for i in range(12)]
    entries = [(image_id, encode_png(label_map)) for image_id, label_map in zip(ids, objects, strict=True)]
    write_packed(folder / "labels.h5", entries, "labels", metadata={"classes": ["background", "disc"]})
    pooling = {"weight": "uniform", "normalize_pixels": True}
    made = {"size": 48, "threshold": 0.5, "pooling": pooling, "cells": {"grid": 3}}
    saliency = [np.pad(255 * each, ((0, 8), (0, 0))) for each in objects]
    write_embeddings(folder / "e.h5", ids, saliency, {}, 48, made)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MASKCONTRAST_DEVICE", "cpu")
    return folder


def score(name: str) -> dict:
    out = Path("out") / name
    main(name, Path("images.h5"), Path("labels.h5"), Path("e.h5"), Path("basnet.pt"), out)
    return json.loads((out / "summary.json").read_text())


def test_every_baseline_is_scored_by_all_protocols(run_folder: Path):
    for name in ("saliency", "untrained"):
        found = score(name)
        assert list(found) == ["linear", "kmeans_pixels", "kmeans_same_foreground", "retrieve"]
        # The foreground is the class, and there is one: whatever the features, only the crop of the square is wrong.
        clustered = found["kmeans_same_foreground"]["k2"]["a"]["miou_mean"]
        assert clustered > 60
        assert found["retrieve"]["all_classes"]["miou"] == pytest.approx(clustered)
        assert 0 < found["linear"]["last"]["miou_mean"] < 100
        table = pd.read_csv(run_folder / "out" / name / "iou_per_class.csv")
        linear = table.loc[table["protocol"] == "linear", "iou"]
        assert np.mean(linear) == pytest.approx(found["linear"]["last"]["miou_mean"])
        assert set(table["class"]) == {"background", "disc"}


def test_another_network_has_other_numbers_and_the_same_one_the_same(run_folder: Path):
    first, other, again = score("saliency"), score("untrained"), score("saliency")
    assert first == again
    assert first["linear"] != other["linear"]


def test_an_unlisted_name_is_refused(run_folder: Path):
    with pytest.raises(InputError, match=r"no score_baselines.moco; it has saliency, untrained"):
        score("moco")
