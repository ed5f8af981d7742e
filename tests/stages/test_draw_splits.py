from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import params
from pipeline.images.codecs import encode_png
from pipeline.packed import write_packed
from stages import draw_splits
from tests.profiles import SAMPLE_FILE, changed


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Label maps of the 8 images of `train`: a dog in image 5 only, a cat in every second image."""
    maps = np.zeros((8, 4, 4), dtype=np.uint8)
    maps[::2, 0], maps[5, 1] = 1, 2
    path = tmp_path / "labels.h5"
    entries = [(f"img_{i:02d}", encode_png(label_map)) for i, label_map in enumerate(maps)]
    write_packed(path, entries, "labels", metadata={"classes": ["background", "cat", "dog"]})
    return path


def run(images: Path, labels: Path, folder: Path, fractions: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    sample = params.load(SAMPLE_FILE)
    sections = {
        "sweep": changed(sample.sweep, fractions=fractions, splits=[0, 7]),
        "draw_splits": changed(sample.draw_splits, train="train"),
    }
    monkeypatch.setattr(draw_splits, "load", lambda: sample.model_copy(update=sections))
    draw_splits.main(images, labels, folder / "lists", folder / "out")


def test_every_fraction_and_split_has_a_list_and_a_row_a_class(
    disc_images: Path, labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run(disc_images, labels, tmp_path, [0.25, 1.0], monkeypatch)
    lists = {path.name: path.read_text().split() for path in (tmp_path / "lists").iterdir()}
    assert sorted(lists) == ["0.25-0.txt", "0.25-7.txt", "1.0-0.txt", "1.0-7.txt"]
    assert lists["1.0-0.txt"] == lists["1.0-7.txt"] == [f"img_{i:02d}" for i in range(8)]
    assert all(len(lists[f"0.25-{split}.txt"]) == 2 and "img_05" in lists[f"0.25-{split}.txt"] for split in (0, 7))
    table = pd.read_csv(tmp_path / "out" / "classes.csv")
    assert table.query("fraction == 0.25 and split == 7").values.tolist() == [
        [0.25, 7, 2, "background", 2],
        [0.25, 7, 2, "cat", 1],
        [0.25, 7, 2, "dog", 1],
    ]


def test_a_further_fraction_leaves_the_lists_of_the_others_as_they_are(
    disc_images: Path, labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run(disc_images, labels, tmp_path / "one", [0.5], monkeypatch)
    run(disc_images, labels, tmp_path / "two", [0.25, 0.5], monkeypatch)
    for path in (tmp_path / "one" / "lists").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / "lists" / path.name).read_bytes()
