import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.images.codecs import encode_png
from pipeline.mask_store import MaskStore, write_masks
from pipeline.masks.export import encode_objects, export, main
from pipeline.masks.mask_files import read_objects
from pipeline.masks.proposals import object_maps, open_proposals
from pipeline.packed import Packed, write_packed
from tests.masks.settings import settings

SIZES = [(12, 15), (9, 8), (5, 17), (6, 6), (20, 3)]
IDS = ["a", "b", "c__1", "d", "e"]
ORIGIN = {"estimator": "basnet", "supervision": "unsupervised", "weights": "0" * 64}


def object_map(i: int) -> np.ndarray:
    """Touching objects in disorder: several in a and c__1, one of scattered pixels in b and e, none in d."""
    count = (9, 1, 2, 0, 1)[i]
    return np.random.default_rng(i).integers(0, count, SIZES[i], endpoint=True).astype(np.uint8)


@pytest.fixture
def masks(tmp_path: Path) -> MaskStore:
    write_masks(tmp_path / "masks.h5", IDS, np.array(SIZES), map(object_map, range(5)), ORIGIN)
    return MaskStore(tmp_path / "masks.h5")


@pytest.fixture
def images(tmp_path: Path) -> Packed:
    blank = [(name, encode_png(np.zeros(size, dtype=np.uint8))) for name, size in zip(IDS, SIZES, strict=True)]
    heights, widths = map(list, zip(*SIZES, strict=True))
    write_packed(tmp_path / "images.h5", blank, "images", columns={"height": heights, "width": widths})
    return Packed(tmp_path / "images.h5", "images")


def test_no_object_is_lost_on_the_way_to_files_and_back(masks: MaskStore, images: Packed, tmp_path: Path):
    assert export(masks, tmp_path / "files") == 4
    chosen = settings(proposal="raw/files", components="split", min_area=0.0)
    proposals = open_proposals(images, tmp_path / "files", chosen)
    maps = object_maps(images, proposals, chosen)
    write_masks(tmp_path / "back.h5", images.ids, images.sizes, maps, proposals.metadata, proposals.rejected)
    back = MaskStore(tmp_path / "back.h5")
    assert [len(masks.objects(i)) for i in range(5)] == [9, 1, 2, 0, 1]
    for i in range(5):
        assert np.array_equal(back[i], masks[i]) and np.array_equal(back.objects(i), masks.objects(i))
    assert back.reasons == ["", "", "", "no file", ""] and back.area.tolist() == masks.area.tolist()
    assert back.metadata.items() >= ORIGIN.items()


def test_one_object_is_a_grey_file_and_several_are_a_palette_file(masks: MaskStore, tmp_path: Path):
    export(masks, tmp_path / "files")
    assert sorted(path.name for path in (tmp_path / "files").glob("*.png")) == ["a.png", "b.png", "c__1.png", "e.png"]
    with Image.open(tmp_path / "files" / "b.png") as one, Image.open(tmp_path / "files" / "a.png") as several:
        assert (one.mode, several.mode) == ("L", "P")
        assert np.array_equal(np.asarray(one), object_map(1) * 255)
        assert np.array_equal(np.asarray(several), object_map(0))


def test_127_objects_can_be_numbered_and_128_are_refused(tmp_path: Path):
    for count in (127, 128):
        numbers = np.arange(count + 1)[None]
        write_masks(tmp_path / f"{count}.h5", ["a"], np.array([numbers.shape]), [numbers])
    export(MaskStore(tmp_path / "127.h5"), tmp_path / "files")
    assert np.array_equal(read_objects(tmp_path / "files" / "a.png"), np.arange(128)[None])
    with pytest.raises(InputError, match="image a has 128 objects, and a file numbers at most 127; raise"):
        export(MaskStore(tmp_path / "128.h5"), tmp_path / "more")
    assert not (tmp_path / "more").exists()


def test_encoded_objects_are_numbered_in_their_order(tmp_path: Path):
    first, second = np.array([[True, False, False]]), np.array([[False, False, True]])
    (tmp_path / "m.png").write_bytes(encode_objects(np.stack([second, first])))
    assert read_objects(tmp_path / "m.png").tolist() == [[2, 0, 1]]


@pytest.mark.parametrize("name", ["full", "masks.h5"])
def test_a_folder_with_files_in_it_is_left_alone(masks: MaskStore, tmp_path: Path, name: str):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept.png").write_bytes(b"mine")
    with pytest.raises(InputError, match=f"{name} is there already; name a new folder, or an empty one"):
        export(masks, tmp_path / name)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["kept.png"]


def test_the_command_line_answers_in_one_line(
    masks: MaskStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert main([str(masks.path)]) == 1
    assert "name the masks and a folder" in caplog.messages[-1]
    assert main([str(tmp_path / "none.h5"), str(tmp_path / "files")]) == 1
    assert "none.h5 does not exist" in caplog.messages[-1]
    (tmp_path / "files").mkdir()
    assert main([str(masks.path), str(tmp_path / "files")]) == 0
    assert caplog.messages[-1] == "exported 4 masks of 5 images"
