import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.cluster_store import Clustering, NamedClusterings, Projection, write_clusters
from pipeline.embedding_store import write_embeddings
from pipeline.images.codecs import encode_png
from pipeline.packed import write_packed
from pipeline.segmentation.clustering_confusions import Run, read_confusions
from pipeline.segmentation.matching import match_all, summarize
from stages.match_clusters import main
from tests.profiles import SAMPLE


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Two images, foreground left, one object each that fills it; seed 0 swaps the clusters, seed 1 merges them."""
    paths = tmp_path / "embeddings.h5", tmp_path / "clusters.h5", tmp_path / "labels.h5"
    saliency = np.zeros((2, 4, 4), dtype=np.uint8)
    saliency[:, :, :2] = 255
    labels = (saliency > 0) * np.array([1, 2], dtype=np.uint8)[:, None, None]
    write_embeddings(paths[0], ["a", "b"], saliency, {"start": np.eye(2, dtype=np.float32)}, 4, {"threshold": 0.5})
    projection = Projection(np.zeros(2, dtype=np.float32), np.eye(2, dtype=np.float32))
    runs = {
        seed: Clustering(np.array(assignments, dtype=np.int32), np.zeros((2, 2), dtype=np.float32), 0.0)
        for seed, assignments in enumerate(([1, 0], [0, 0]))
    }
    write_clusters(paths[1], ["a", "b"], {"maskcontrast": NamedClusterings(projection, {3: runs})}, {"split": "val"})
    entries = [(image_id, encode_png(label_map)) for image_id, label_map in zip("ab", labels, strict=True)]
    write_packed(paths[2], entries, "labels", metadata={"classes": ["background", "cat", "dog"]})
    return paths


def test_results_are_in_percent_with_classes_by_name(inputs: tuple[Path, Path, Path], tmp_path: Path):
    out = tmp_path / "results"
    main(*inputs, out)
    scores = json.loads((out / "summary.json").read_text())["maskcontrast"]["3"]
    assert scores.keys() == {"seeds", "a", "a_prime", "b"}
    for protocol in ("a", "a_prime", "b"):
        # Seed 0 is perfect; seed 1 has background 1, one object class 8 / 16 and the other 0.
        assert scores[protocol]["miou_mean"] == pytest.approx((100 + 50) / 2)
        assert scores[protocol]["miou_std"] == pytest.approx(50 / 2**0.5)
    mapping = pd.read_csv(out / "mapping.csv")
    for _, found in mapping[mapping.seed == 0].groupby("protocol"):
        assert found["class"].tolist() == ["background", "dog", "cat"]
    iou = pd.read_csv(out / "iou_per_class.csv")
    assert sorted(iou[iou.protocol == "b"].iou) == [0, 50, 100, 100, 100, 100]
    confusion = pd.read_csv(out / "confusion.csv")
    assert confusion[confusion.pixels > 0].values.tolist() == [
        ["background", "background", 16], ["cat", "cat", 8], ["dog", "dog", 8],
    ]  # fmt: skip


def test_every_number_follows_from_the_kept_confusion_matrices(inputs: tuple[Path, Path, Path], tmp_path: Path):
    out = tmp_path / "results"
    main(*inputs, out)
    kept = read_confusions(out / "confusions.h5")
    assert {run.seed: sorted(by_size) for run, by_size in kept.items()} == {0: [0, 100, 512], 1: [0, 100, 512]}
    assert {size: confusion.sum() for size, confusion in kept[Run("maskcontrast", 3, 0)].items()} == {
        0: 2 * 4 * 4, 100: 2 * 100 * 100, 512: 2 * 512 * 512,
    }  # fmt: skip
    derived = summarize(list(match_all(kept, dict(SAMPLE.match_clusters))))
    assert derived == json.loads((out / "summary.json").read_text())


def test_clusters_of_a_split_without_a_label_stay_without_names(
    inputs: tuple[Path, Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    labels, out = tmp_path / "labels.h5", tmp_path / "results"
    entry = ("c", encode_png(np.ones((4, 4), dtype=np.uint8)))
    write_packed(labels, [entry], "labels", metadata={"classes": ["background", "cat"], "partly": True})
    with caplog.at_level("INFO"):
        main(*inputs, out)
    assert {path.name: path.read_text() for path in out.iterdir()} == {"summary.json": "{}\n"}
    assert "labels.h5 holds no label map of split val" in caplog.text
