from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet
from pipeline.images.folder import read
from pipeline.images.packing import pack
from pipeline.predictions.photos import Opened, Photo, Skipped, find_photos, grid_of, open_photo
from tests.images.trees import save, save_photo


def test_folders_are_searched_and_files_taken_by_name(tmp_path: Path) -> None:
    for name in ("in/b.PNG", "in/street/a.jpg", "in/.hidden.jpg", "in/out/labels/a.png", "single.jpeg"):
        save_photo(tmp_path / name)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    found = find_photos([tmp_path / "in", tmp_path / "single.jpeg"], tmp_path / "in" / "out")
    assert [photo.name for photo in found] == ["b.PNG", "street/a.jpg", "single.jpeg"]
    assert [photo.image_id for photo in found] == ["b", "street__a", "single"]


def test_inputs_that_cannot_be_told_apart_or_found_are_refused(tmp_path: Path) -> None:
    for name in ("one/a.jpg", "two/a.png", "three/b__c.jpg", "three/b/c.jpg"):
        save_photo(tmp_path / name)
    for folders in (["one", "two"], ["three"]):
        with pytest.raises(InputError, match="have the same id .*; rename or remove one"):
            find_photos([tmp_path / folder for folder in folders], tmp_path / "out")
    with pytest.raises(InputError, match="nowhere is neither an image nor a folder"):
        find_photos([tmp_path / "nowhere"], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image here"):
        find_photos([tmp_path / "empty"], tmp_path / "out")


@pytest.mark.parametrize(
    ("pixels", "expected"), [(0, (1, 1)), (1200, (1, 1)), (600, (2, 2)), (300, (2, 3)), (100, (3, 4))]
)
def test_a_grid_has_tiles_of_at_most_so_many_pixels(pixels: int, expected: tuple[int, int]) -> None:
    rows, columns = grid_of(30, 40, pixels)
    assert (rows, columns) == expected
    assert not pixels or (30 / rows) * (40 / columns) <= pixels


def test_one_tile_is_what_the_graph_sees(tmp_path: Path) -> None:
    save_photo(tmp_path / "in" / "a.jpg", 40, 60)
    pack(read(tmp_path / "in"), tmp_path / "images.h5", tmp_path / "labels.h5", "stop")
    opened = open_photo(Photo(tmp_path / "in" / "a.jpg", "a.jpg"), 32, 0)
    assert isinstance(opened, Opened)
    seen = ImageSet(tmp_path / "images.h5").squared(0, 32)
    assert (opened.tiles[0, 0].transpose(2, 0, 1).astype(np.float32) / 255 == seen.numpy()).all()


def test_tiles_are_cut_in_reading_order(tmp_path: Path) -> None:
    quarters = np.kron(np.arange(4).reshape(2, 2) * 60, np.ones((20, 20))).astype(np.uint8)
    path = save(tmp_path / "a.png", np.stack([quarters] * 3, axis=-1))
    opened = open_photo(Photo(path, "a.png"), 20, 400)
    assert isinstance(opened, Opened)
    assert opened.tiles[:, :, 10, 10, 0].tolist() == [[0, 60], [120, 180]]


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_what_cannot_be_read_is_skipped_with_a_reason(content: bytes | None, tmp_path: Path) -> None:
    path = save_photo(tmp_path / "whole.jpg", 40, 60) if content is None else None
    data = path.read_bytes()[:-300] if path else content
    (tmp_path / "a.jpg").write_bytes(data or b"")
    found = open_photo(Photo(tmp_path / "a.jpg", "a.jpg"), 32, 0)
    assert isinstance(found, Skipped)
    assert found.reason.endswith("a.jpg is unreadable, truncated or no image; replace it or take it out")


def test_an_image_of_too_many_pixels_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.predictions.photos.MOST_PIXELS", 10)
    found = open_photo(Photo(save_photo(tmp_path / "a.png"), "a.png"), 32, 0)
    assert isinstance(found, Skipped) and "a.png is 8x6, more than" in found.reason


def test_a_preview_is_bounded(tmp_path: Path) -> None:
    Image.new("RGB", (2048, 512)).save(tmp_path / "a.png")
    opened = open_photo(Photo(tmp_path / "a.png", "a.png"), 32, 0)
    assert isinstance(opened, Opened)
    assert (opened.preview.shape, opened.height, opened.width) == ((256, 1024, 3), 512, 2048)
