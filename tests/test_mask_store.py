import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline import mask_store
from pipeline.errors import InputError
from pipeline.mask_store import MaskStore, write_masks
from tests import plain_reads

SHAPES = [(3, 1), (5, 7), (1, 8), (4, 9), (6, 17)]
IDS = ["a", "b", "c", "d", "e"]


def ragged_masks() -> list[np.ndarray]:
    """Random masks whose sizes differ, with the last pixel of each set; the third is empty."""
    rng = np.random.default_rng(0)
    masks = [rng.random(shape) < 0.5 for shape in SHAPES]
    for mask in masks:
        mask[-1, -1] = True
    masks[2][:] = False
    return masks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_masks(tmp_path / "masks.h5", IDS, np.array(SHAPES), ragged_masks(), {"threshold": 0.5})
    return tmp_path / "masks.h5"


def test_masks_of_any_size_come_back_bit_for_bit(path: Path):
    store = MaskStore(path)
    for i, mask in enumerate(ragged_masks()):
        assert store[i].dtype == bool
        assert np.array_equal(store[i], mask)


def test_bits_are_packed_along_the_width_and_padded_to_the_largest(path: Path):
    with h5py.File(path) as file:
        assert file["masks"].shape == (5, 6, 3) and file["masks"].chunks == (1, 6, 3)  # type: ignore[union-attr]


def test_sizes_areas_and_metadata_are_recorded(path: Path):
    store = MaskStore(path)
    assert np.stack([store.height, store.width], axis=1).tolist() == [list(shape) for shape in SHAPES]
    assert store.area.tolist() == [int(mask.sum()) for mask in ragged_masks()]
    assert store.metadata == {"threshold": 0.5}


def test_only_the_empty_mask_is_rejected(path: Path):
    assert MaskStore(path).rejected.tolist() == [False, False, True, False, False]


def test_a_mask_with_a_reason_is_not_stored_and_counts_what_was_found(tmp_path: Path):
    reasons = {"a": "small", "c": "no file"}
    write_masks(tmp_path / "x.h5", IDS, np.array(SHAPES), ragged_masks(), rejected=reasons)
    store = MaskStore(tmp_path / "x.h5")
    assert store.reasons == ["small", "", "no file", "", ""]
    assert store.rejected.tolist() == [True, False, True, False, False]
    assert store.area[0] == ragged_masks()[0].sum() and not store[0].any()
    assert store.objects(0).shape == (0, 3, 1)


def test_reasons_may_come_with_the_masks(tmp_path: Path):
    reasons: dict[str, str] = {}

    def masks() -> Iterator[np.ndarray]:
        for image_id, mask in zip(IDS, ragged_masks(), strict=True):
            if image_id == "d":
                reasons["d"] = "small"
            yield mask

    write_masks(tmp_path / "x.h5", IDS, np.array(SHAPES), masks(), rejected=reasons)
    assert MaskStore(tmp_path / "x.h5").reasons == ["", "", "empty", "small", ""]


def test_several_objects_of_an_image_come_back_apart_and_together(tmp_path: Path):
    crowd = np.array([[1, 1, 0, 3, 3], [0, 5, 5, 0, 3]])
    lone = np.array([[0, 7], [7, 0]])
    write_masks(tmp_path / "x.h5", ["a", "b", "c"], np.array([(2, 5), (2, 2), (2, 5)]), [crowd, lone, crowd > 0])
    store = MaskStore(tmp_path / "x.h5")
    assert np.array_equal(store.objects(0), [crowd == 1, crowd == 3, crowd == 5])
    assert np.array_equal(store.objects(1), [lone == 7])
    assert np.array_equal(store.objects(2), [crowd > 0])
    assert np.array_equal(store[0], crowd > 0) and np.array_equal(store[1], lone > 0)
    assert store.area.tolist() == [7, 2, 7]


def test_lone_objects_take_no_second_row(path: Path, tmp_path: Path):
    numbered = [mask * 4 for mask in ragged_masks()]
    write_masks(tmp_path / "numbered.h5", IDS, np.array(SHAPES), numbered, {"threshold": 0.5})
    assert len(MaskStore(path).object_image) == 0
    assert (tmp_path / "numbered.h5").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "snippet",
    [plain_reads.documented_read("masks"), plain_reads.docstring_read(mask_store, "masks")],
    ids=["docs/data.md", "docstring"],
)
def test_documented_lines_read_a_mask(path: Path, snippet: str):
    for image_id, mask in zip(IDS, ragged_masks(), strict=True):
        assert np.array_equal(plain_reads.run(snippet, path, image_id)["mask"], mask)  # type: ignore[arg-type]


def test_second_write_in_another_second_gives_the_same_bytes(path: Path):
    first = path.read_bytes()
    time.sleep(1.1)
    write_masks(path, IDS, np.array(SHAPES), iter(ragged_masks()), {"threshold": 0.5})
    assert path.read_bytes() == first


def test_mask_of_another_size_than_announced_leaves_nothing(tmp_path: Path):
    first, second = ragged_masks()[:2]
    with pytest.raises(ValueError, match=r"mask of b is \(7, 5\), not \(5, 7\)"):
        write_masks(tmp_path / "x.h5", IDS[:2], np.array(SHAPES[:2]), [first, second.T])
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("count", [1, 3])
def test_too_few_or_too_many_masks_leave_nothing(tmp_path: Path, count: int):
    with pytest.raises(ValueError, match="zip"):
        write_masks(tmp_path / "x.h5", IDS[:2], np.array(SHAPES[:2]), ragged_masks()[:count])
    assert not any(tmp_path.iterdir())


def test_unsorted_ids_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="image id a comes after b"):
        write_masks(tmp_path / "x.h5", ["b", "a"], np.array(SHAPES[:2]), ragged_masks()[:2])


def test_store_refuses_a_packed_file(disc_images: Path):
    with pytest.raises(InputError, match="holds 'maskcontrast/packed' but 'maskcontrast/masks' is needed"):
        MaskStore(disc_images)
