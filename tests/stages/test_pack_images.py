import json
import logging
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest

from pipeline import params
from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet, LabelSet
from stages import pack_images
from tests.images.trees import save_coco, save_photo
from tests.profiles import changed


def pack_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_error: Literal["stop", "skip"]) -> None:
    settings = {"layout": "folder", "classes": [], "on_error": on_error}
    pack_set(tmp_path / "photos", tmp_path / "out", monkeypatch, **settings)


def pack_set(source: Path, out: Path, monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    loaded = params.load()
    target = changed(loaded.pack_images.target, limit={}, **settings)
    sets = loaded.pack_images.model_copy(update={"target": target})
    monkeypatch.setattr(params, "load", lambda: loaded.model_copy(update={"pack_images": sets}))
    pack_images.main("target", source, out / "images.h5", out / "labels.h5", out / "results")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photographs and two files that are none."""
    for name in "ad":
        save_photo(tmp_path / "photos" / f"{name}.png")
    (tmp_path / "photos" / "b.jpg").write_text("one, two")
    (tmp_path / "photos" / "c.jpg").write_bytes(b"")
    return tmp_path / "photos"


def test_what_is_skipped_is_listed_and_logged_once(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        pack_folder(tmp_path, monkeypatch, "skip")
    out, sentence = tmp_path / "out", "is unreadable, truncated or no image; replace it or take it out"
    reasons = {"b": f"{photos / 'b.jpg'} {sentence}", "c": f"{photos / 'c.jpg'} {sentence}"}
    assert caplog.messages == [f"skipped 2 images, the first is b: {reasons['b']}"]
    assert ImageSet(out / "images.h5").ids == ["a", "d"] and len(LabelSet(out / "labels.h5")) == 0
    table = pd.read_csv(out / "results" / "skipped.csv")
    assert dict(zip(table["id"], table["reason"], strict=True)) == reasons
    summary = json.loads((out / "results" / "summary.json").read_text())
    assert summary == {"images": 2, "labels": 0, "skipped": 2, "modes": {"RGB": 2}}


def test_a_set_without_fault_lists_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_photo(tmp_path / "photos" / "a.png")
    pack_folder(tmp_path, monkeypatch, "stop")
    assert (tmp_path / "out" / "results" / "skipped.csv").read_text() == "id,reason\n"


def test_a_set_is_read_by_its_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = save_coco(tmp_path / "coco", {"val2017": {"000000000009": [(7, 1, 24), (9, 22, 8)]}})
    settings = {"layout": "coco", "classes": ["background", "aeroplane", "person"], "other_things": "ignore"}
    pack_set(source, tmp_path / "out", monkeypatch, **settings)
    labels = LabelSet(tmp_path / "out" / "labels.h5").labels(0)
    # Person, elephant, nothing.
    assert labels.tolist() == [[2] * 8] * 3 + [[255] * 8] * 3


@pytest.mark.usefixtures("photos")
def test_stopping_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"b\.jpg is unreadable"):
        pack_folder(tmp_path, monkeypatch, "stop")
    assert not (tmp_path / "out").exists()
