import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.cluster_store import Clustering, NamedClusterings, Projection, write_clusters
from pipeline.embedding_store import write_embeddings
from pipeline.images.codecs import encode_png
from pipeline.packed import write_packed
from stages.match_clusters import main


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
    # Seed 0 is perfect; seed 1 has background 1, one object class 8 / 16 and the other 0.
    assert scores["miou_mean"] == pytest.approx((100 + 50) / 2)
    assert scores["miou_std"] == pytest.approx(50 / 2**0.5)
    mapping = pd.read_csv(out / "mapping.csv")
    assert mapping[mapping.seed == 0]["class"].tolist() == ["background", "dog", "cat"]
    assert sorted(pd.read_csv(out / "iou_per_class.csv").iou) == [0, 50, 100, 100, 100, 100]
    confusion = pd.read_csv(out / "confusion.csv")
    assert confusion[confusion.pixels > 0].values.tolist() == [
        ["background", "background", 16], ["cat", "cat", 8], ["dog", "dog", 8],
    ]  # fmt: skip
