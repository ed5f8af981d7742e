import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import params
from pipeline.embedding_store import write_embeddings
from pipeline.errors import InputError
from pipeline.images.codecs import encode_png
from pipeline.packed import write_packed
from stages import retrieve
from tests.profiles import SAMPLE_FILE

IDS, ODD = [f"img_{i:02d}" for i in range(12)], np.arange(12) % 2


@pytest.fixture
def inputs(disc_images: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """The classes of the bank and of the queries alternate; `maskcontrast` knows it, `start` has it upside down."""
    saliency = np.zeros((12, 4, 4), dtype=np.uint8)
    saliency[:, :, :2] = 255
    right = np.eye(2, dtype=np.float32)[ODD]
    tables = {"maskcontrast": right, "start": np.concatenate([right[:8], 1 - right[8:]])}
    write_embeddings(tmp_path / "e.h5", IDS, saliency, tables, 4, {"threshold": 0.5})
    write_labels(tmp_path / "l.h5", IDS, ((saliency > 0) * (1 + ODD[:, None, None])).astype(np.uint8))
    return disc_images, tmp_path / "e.h5", tmp_path / "l.h5"


def write_labels(path: Path, ids: list[str], labels: np.ndarray) -> None:
    entries = [(image_id, encode_png(label_map)) for image_id, label_map in zip(ids, labels, strict=True)]
    write_packed(path, entries, "labels", metadata={"classes": ["background", "cat", "dog"]})


def run(inputs: tuple[Path, Path, Path], out: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> dict:
    """Run the stage with these options instead of the sample's; returns its summary."""
    sample = params.load(SAMPLE_FILE)
    section = type(sample.retrieve).model_validate(sample.retrieve.model_dump() | options)
    monkeypatch.setattr(retrieve, "load", lambda: sample.model_copy(update={"retrieve": section}))
    retrieve.main(*inputs, out)
    return json.loads((out / "summary.json").read_text())


def test_every_table_is_scored_against_the_labelled_bank(
    inputs: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    summary = run(inputs, tmp_path / "out", monkeypatch)
    assert summary["maskcontrast"] == {"bank": 8, "queries": 4, "all_classes": {"miou": 100, "accuracy": 100}}
    assert summary["start"]["all_classes"]["miou"] == pytest.approx(100 / 3)
    assert pd.read_csv(tmp_path / "out" / "iou_per_class.csv").iou.tolist() == [100, 100, 100, 100, 0, 0]
    assert (tmp_path / "out" / "neighbours.png").stat().st_size > 1000


def test_kept_classes_get_a_score_of_their_own(
    inputs: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    summary = run(inputs, tmp_path / "out", monkeypatch, kept_classes=["cat"])
    assert list(summary["start"]) == ["bank", "queries", "all_classes", "one_classes"]
    # In `start` cats look like dogs, but dogs do not count, and cat is the only class left in the bank.
    assert summary["start"]["one_classes"] == {"miou": 100, "accuracy": 100}


def test_the_size_is_that_of_the_squares_in_which_pixels_are_counted(
    inputs: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Two columns are salient, of which the second alone shows an object; squares of 2 pixels see the second and fourth.
    labels = np.zeros((12, 4, 4), dtype=np.uint8)
    labels[:, :, 1] = (1 + ODD)[:, None]
    write_labels(tmp_path / "thin.h5", IDS, labels)
    thin = (*inputs[:2], tmp_path / "thin.h5")
    original = run(thin, tmp_path / "original", monkeypatch)["maskcontrast"]["all_classes"]
    square = run(thin, tmp_path / "square", monkeypatch, size=2)["maskcontrast"]["all_classes"]
    assert original["accuracy"] == 75
    assert square["accuracy"] == 100


def test_a_bank_without_labels_is_refused(
    inputs: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_labels(tmp_path / "some.h5", IDS[8:], np.ones((4, 4, 4), dtype=np.uint8))
    with pytest.raises(InputError, match=r"8 of 8 images have no label map in .*some.h5 \(first img_00\)"):
        run((*inputs[:2], tmp_path / "some.h5"), tmp_path / "out", monkeypatch)


def test_where_nothing_is_labelled_the_result_is_empty(
    inputs: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    write_labels(tmp_path / "none.h5", [], np.ones((0, 4, 4), dtype=np.uint8))
    with caplog.at_level("INFO"):
        run((*inputs[:2], tmp_path / "none.h5"), tmp_path / "out", monkeypatch)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["summary.json"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == {}
    assert "none.h5 holds no label map, so there is nothing to score" in caplog.text
