from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.images.codecs import decode_labels
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.images.packing import pack
from pipeline.images.saliency_sets import read, read_mask
from tests.images.trees import SHARED, save, save_photo

FOREGROUND = np.zeros((6, 8), dtype=bool)
FOREGROUND[1:4, 2:7] = True


def save_benchmark(root: Path, stems: str, masked: str) -> Path:
    for stem in stems:
        save_photo(root / "images" / f"{stem}.jpg")
    for stem in masked:
        save(root / "masks" / f"{stem}.png", FOREGROUND.astype(np.uint8) * 255)
    return root


def test_every_benchmark_becomes_a_split_with_its_name_in_the_ids(tmp_path: Path):
    save_benchmark(tmp_path / "raw" / "ecssd", "ab", "ab")
    save_benchmark(tmp_path / "raw" / "dut", "a", "a")
    pack(read(tmp_path / "raw"), tmp_path / "images.h5", tmp_path / "labels.h5", "stop")
    images, labels = ImageSet(tmp_path / "images.h5"), LabelSet(tmp_path / "labels.h5")
    assert images.ids == labels.ids == ["dut__a", "ecssd__a", "ecssd__b"]
    assert images.split("ecssd").tolist() == [1, 2] and images.split("dut").tolist() == [0]
    assert labels.classes == ["background", "object"]
    assert np.array_equal(labels.labels(1), FOREGROUND)


def test_files_without_counterpart_are_left_out_and_counted(tmp_path: Path):
    save_benchmark(tmp_path / "pascal_s", "abc", "bcde")
    found = read(tmp_path)
    assert sorted(found.images) == sorted(found.labels) == ["pascal_s__b", "pascal_s__c"]
    assert found.splits == {"pascal_s": ["pascal_s__b", "pascal_s__c"]}
    assert found.unpaired == 3


def test_benchmark_without_masks_is_images_only(tmp_path: Path):
    save_benchmark(tmp_path / "a", "xy", "")
    found = read(tmp_path)
    assert sorted(found.images) == ["a__x", "a__y"] and not found.labels and found.unpaired == 0


def test_linked_mask_folder_is_refused_even_when_its_target_is_gone(tmp_path: Path):
    save_benchmark(tmp_path / "a", "x", "")
    (tmp_path / "a" / "masks").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match="masks is a linked folder"):
        read(tmp_path)


@pytest.mark.parametrize(
    "pixels, mode",
    [
        (FOREGROUND * 255, None),
        (FOREGROUND * 1, None),
        (FOREGROUND * 255, "1"),
        (FOREGROUND * 255, "RGB"),
        (FOREGROUND * 255, "P"),
        (np.where(FOREGROUND, 128, 127), None),
        (np.where(FOREGROUND, 254, 3), None),
    ],
    ids=["0/255", "0/1", "1-bit", "rgb", "palette", "grey at the threshold", "noisy"],
)
def test_masks_of_every_kind_become_0_and_1(tmp_path: Path, pixels: np.ndarray, mode: str | None):
    data, mask = read_mask(save(tmp_path / "m.png", pixels.astype(np.uint8), mode))
    assert np.array_equal(mask, FOREGROUND)
    assert np.array_equal(decode_labels(data), FOREGROUND)


def test_empty_mask_is_kept(tmp_path: Path):
    _, mask = read_mask(save(tmp_path / "m.png", np.zeros((2, 3), dtype=np.uint8)))
    assert mask.tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("brightest", [2, 38, 127])
def test_mask_that_is_neither_0_1_nor_0_255_is_refused(tmp_path: Path, brightest: int):
    path = save(tmp_path / "m.png", FOREGROUND.astype(np.uint8) * np.uint8(brightest))
    with pytest.raises(InputError, match=rf"m\.png has no pixel above {brightest}; masks hold 0 and 255, or 0 and 1"):
        read_mask(path)


def test_mask_of_16_bits_is_refused(tmp_path: Path):
    path = save(tmp_path / "m.png", FOREGROUND.astype(np.uint16))
    with pytest.raises(InputError, match=r"m\.png has 16 bits a pixel; save the mask with 8 or 1"):
        read_mask(path)


def test_masks_with_other_names_than_the_images_are_refused(tmp_path: Path):
    save_benchmark(tmp_path / "a", "xy", "z")
    with pytest.raises(InputError, match="no image has a mask of the same name"):
        read(tmp_path)


def test_forgotten_benchmark_name_is_explained(tmp_path: Path):
    save_benchmark(tmp_path, "xy", "xy")
    with pytest.raises(InputError, match=r"holds the folders \['images', 'masks'\]; the layout is <name>/images"):
        read(tmp_path)


@pytest.mark.parametrize("names", [[], ["all"]])
def test_source_without_usable_benchmark_is_refused(tmp_path: Path, names: list[str]):
    for name in names:
        save_benchmark(tmp_path / name, "x", "x")
    with pytest.raises(InputError, match="the layout is <name>/images and <name>/masks"):
        read(tmp_path)


@pytest.mark.skipif(not (SHARED / "ECSSD").is_dir(), reason="a copy of ECSSD does not lie beside the project")
def test_real_one_bit_masks_are_read():
    paths = sorted((SHARED / "ECSSD" / "masks").iterdir())[:5]
    assert all(0.01 < read_mask(path)[1].mean() < 0.9 for path in paths)
