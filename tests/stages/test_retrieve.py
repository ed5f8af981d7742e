import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.embedding_store import write_embeddings
from pipeline.images.codecs import encode_png
from pipeline.packed import write_packed
from stages.retrieve import main


def test_every_table_is_scored_against_the_labelled_bank(disc_images: Path, tmp_path: Path):
    # The classes of the bank and of the queries alternate; `maskcontrast` knows it, `start` has it upside down.
    ids, odd = [f"img_{i:02d}" for i in range(12)], np.arange(12) % 2
    saliency = np.zeros((12, 4, 4), dtype=np.uint8)
    saliency[:, :, :2] = 255
    right = np.eye(2, dtype=np.float32)[odd]
    tables = {"maskcontrast": right, "start": np.concatenate([right[:8], 1 - right[8:]])}
    write_embeddings(tmp_path / "e.h5", ids, saliency, tables, 4, {"threshold": 0.5})
    labels = ((saliency > 0) * (1 + odd[:, None, None])).astype(np.uint8)
    entries = [(image_id, encode_png(label_map)) for image_id, label_map in zip(ids, labels, strict=True)]
    write_packed(tmp_path / "l.h5", entries, "labels", metadata={"classes": ["background", "cat", "dog"]})
    main(disc_images, tmp_path / "e.h5", tmp_path / "l.h5", tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["maskcontrast"] == {"miou": 100, "accuracy": 100, "bank": 8, "queries": 4}
    assert summary["start"]["miou"] == pytest.approx(100 / 3)
    assert pd.read_csv(tmp_path / "out" / "iou_per_class.csv").iou.tolist() == [100, 100, 100, 100, 0, 0]
