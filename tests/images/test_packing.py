import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.images import packing
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.images.packing import Checked, ImageFiles, check, is_turned, pack
from tests.images.trees import save, save_indices, save_photo

CLASSES = ["background", "cat", "dog"]


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    """Three images, of which the first two have label maps."""
    folder = tmp_path / "raw"
    images = {name: save_photo(folder / f"{name}.jpg", seed=k) for k, name in enumerate("abc")}
    labels = {name: save_indices(folder / "labels" / f"{name}.png", 1) for name in "ab"}
    return ImageFiles(folder, images, {"train": ["a", "b"], "val": ["c"]}, labels, CLASSES)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def pack_into(out: Path, files: ImageFiles) -> tuple[ImageSet, LabelSet]:
    pack(files, out / "images.h5", out / "labels.h5", "stop")
    return ImageSet(out / "images.h5"), LabelSet(out / "labels.h5")


def assert_refused(out: Path, files: ImageFiles, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        pack_into(out, files)
    assert not out.exists(), "something half-written is left"


def test_images_keep_their_bytes_and_record_their_sizes(files: ImageFiles, out: Path):
    save_photo(files.images["b"], height=5, width=9)
    save_indices(files.labels["b"], 1, height=5, width=9)
    images, _ = pack_into(out, files)
    assert [images[i] for i in range(3)] == [files.images[name].read_bytes() for name in "abc"]
    assert images.sizes.tolist() == [[6, 8], [5, 9], [6, 8]]


def test_labels_are_packed_for_labelled_images_only(files: ImageFiles, out: Path):
    images, labels = pack_into(out, files)
    assert images.ids == ["a", "b", "c"] and labels.ids == ["a", "b"]
    assert labels.labels(0).tolist() == [[1] * 4 + [0] * 4] * 3 + [[0] * 8] * 3
    assert images.split_names == ["train", "val"]


def test_set_without_labels_gets_a_valid_empty_label_file(files: ImageFiles, out: Path):
    images, labels = pack_into(out, replace(files, labels={}, classes=[], splits={"all": ["a", "b", "c"]}))
    assert len(labels) == 0 and labels.classes == []
    assert images.split_names == [] and images.split("all").tolist() == [0, 1, 2]


def test_exif_orientation_is_not_applied_and_counted(files: ImageFiles, out: Path):
    assert check(files, "stop").turned == 0
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to show
    Image.new("RGB", (10, 4)).save(files.images["c"], format="JPEG", exif=exif)
    assert pack_into(out, files)[0].sizes[2].tolist() == [4, 10]
    assert check(files, "stop").turned == 1


def test_an_orientation_that_cannot_be_read_is_none(tmp_path: Path):
    Image.new("RGB", (10, 4)).save(tmp_path / "a.jpg", exif=b"Exif\0\0nothing of the kind")
    with Image.open(tmp_path / "a.jpg") as image:
        assert not is_turned(image)


def test_value_255_is_ignored_not_refused(files: ImageFiles, out: Path):
    save_indices(files.labels["b"], 255)
    assert pack_into(out, files)[1].labels(1).max() == 255


def test_second_run_gives_the_same_bytes(files: ImageFiles, out: Path):
    pack_into(out, files)
    first = [(out / name).read_bytes() for name in ("images.h5", "labels.h5")]
    pack_into(out, replace(files, images=dict(sorted(files.images.items(), reverse=True))))
    assert [(out / name).read_bytes() for name in ("images.h5", "labels.h5")] == first


@pytest.mark.parametrize("kept", [0, 20, 400])
def test_truncated_or_empty_image_is_refused_by_name(files: ImageFiles, out: Path, kept: int):
    path = files.images["b"]
    path.write_bytes(path.read_bytes()[:kept])
    assert_refused(out, files, rf"{path} is unreadable, truncated or no image; replace it or take it out")


def test_link_to_a_missing_file_is_refused_by_name(files: ImageFiles, out: Path):
    files.images["b"].unlink()
    files.images["b"].symlink_to("gone.jpg")
    assert_refused(out, files, r"b\.jpg is unreadable")


def test_text_file_as_label_map_is_refused_by_name(files: ImageFiles, out: Path):
    files.labels["a"].write_text("no image")
    assert_refused(out, files, r"labels/a\.png is unreadable")


def test_image_with_too_many_pixels_is_refused_with_its_size(
    files: ImageFiles, out: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(packing, "MOST_PIXELS", 10**6)
    save(files.images["b"], np.zeros((1001, 1000), dtype=np.uint8))
    assert_refused(out, files, r"b\.jpg is 1000x1001, more than 1 million pixels; reduce it")


def test_what_is_no_picture_format_is_refused_though_pillow_reads_it(files: ImageFiles, out: Path):
    Image.new("RGB", (8, 6)).save(files.images["b"], format="TIFF")
    assert_refused(out, files, r"b\.jpg is unreadable, truncated or no image")


def test_label_map_of_another_size_is_refused_with_both_sizes(files: ImageFiles, out: Path):
    save_indices(files.labels["b"], 1, height=8, width=6)
    assert_refused(out, files, r"b\.png is 6x8 but its image is 8x6 \(EXIF")


def test_value_outside_the_classes_is_refused(files: ImageFiles, out: Path):
    save_indices(files.labels["b"], 3)
    assert_refused(out, files, r"b\.png holds the value 3, but there are 3 classes and 255")


def test_label_map_in_colour_is_refused(files: ImageFiles, out: Path):
    save_photo(files.labels["b"])
    assert_refused(out, files, r"b\.png is stored as RGB, not as class indices")


def test_masks_of_0_and_255_are_no_label_maps(files: ImageFiles, out: Path):
    for path in files.labels.values():
        save_indices(path, 255)
    assert_refused(out, files, "only background and 255; masks of 0 and 255 belong to the layout `saliency`")


def test_ids_of_any_script_are_kept(files: ImageFiles, tmp_path: Path, out: Path):
    path = save_photo(tmp_path / "raw" / "photo.jpg")
    more = {"Köln__straße 1": path, "東京": path}
    images, _ = pack_into(
        out, replace(files, images={**files.images, **more}, splits={**files.splits, "more": list(more)})
    )
    assert images.ids == ["Köln__straße 1", "a", "b", "c", "東京"]
    assert images.split("more").tolist() == [0, 4] == [images.index(image_id) for image_id in more]
    with h5py.File(images.path) as file:
        assert list(file["ids"].asstr()) == images.ids  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["two\nlines.jpg", os.fsdecode(b"latin \xe9.jpg")])
def test_a_name_that_is_no_line_of_utf_8_is_refused(name: str, files: ImageFiles, tmp_path: Path, out: Path):
    path = save_photo(tmp_path / "raw" / "photo.jpg").rename(tmp_path / "raw" / name)
    odd = replace(files, images={**files.images, path.stem: path})
    assert_refused(out, odd, r"(lines|udce9)\.jpg': the name is no line of UTF-8; rename the file")


def skipping(out: Path, files: ImageFiles) -> tuple[Checked, ImageSet, LabelSet]:
    """Pack with `skip`; what was found, and both containers."""
    checked = pack(files, out / "images.h5", out / "labels.h5", "skip")
    return checked, ImageSet(out / "images.h5"), LabelSet(out / "labels.h5")


def truncate(files: ImageFiles) -> None:
    files.images["b"].write_bytes(files.images["b"].read_bytes()[:-20])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate, r"b\.jpg is unreadable, truncated"),
        (lambda files: files.images["b"].write_bytes(b""), r"b\.jpg is unreadable"),
        (lambda files: files.images["b"].write_text("no image"), r"b\.jpg is unreadable"),
        (lambda files: files.images["b"].unlink(), r"b\.jpg is unreadable"),
        (lambda files: files.labels["b"].write_text("no image"), r"labels/b\.png is unreadable"),
        (lambda files: save_indices(files.labels["b"], 1, height=8, width=6), r"b\.png is 6x8 but its image is 8x6"),
        (lambda files: save_indices(files.labels["b"], 3), r"b\.png holds the value 3"),
        (lambda files: save_photo(files.labels["b"]), r"b\.png is stored as RGB"),
        (lambda files: save(files.labels["b"], np.ones((6, 8), dtype=np.uint16)), r"b\.png is stored as I;16"),
    ],
    ids=[
        "truncated",
        "empty",
        "text",
        "gone",
        "label text",
        "label size",
        "label value",
        "label mode",
        "label 16 bits",
    ],
)
def test_skipping_leaves_out_the_image_and_its_label_and_says_why(
    files: ImageFiles, out: Path, damage: Callable[[ImageFiles], object], reason: str
):
    damage(files)
    checked, images, labels = skipping(out, files)
    assert list(checked.skipped) == ["b"] and re.search(reason, checked.skipped["b"])
    assert images.metadata == {"skipped": checked.skipped}
    assert images.ids == ["a", "c"] and labels.ids == ["a"]
    assert images.split("train").tolist() == [0] and images.split("val").tolist() == [1]
    assert [images[i] for i in range(2)] == [files.images[name].read_bytes() for name in "ac"]


def test_skipping_bears_a_name_of_two_lines_and_a_listed_one_without_file(files: ImageFiles, out: Path):
    images = {**files.images, "two\nlines": save_photo(files.source / "two\nlines.jpg")}
    splits = {**files.splits, "val": ["two\nlines", "c", "d"]}
    checked, packed, _ = skipping(out, replace(files, images=images, splits=splits, faults={"d": "d is not there"}))
    assert list(checked.skipped) == ["d", "two\nlines"] and checked.skipped["d"] == "d is not there"
    assert packed.ids == ["a", "b", "c"] and packed.split("val").tolist() == [2]


def test_nothing_is_skipped_from_a_sound_set_and_its_bytes_do_not_depend_on_the_choice(files: ImageFiles, out: Path):
    checked, images, _ = skipping(out / "skip", files)
    assert checked.skipped == {} and images.metadata == {"skipped": {}}
    pack_into(out / "stop", files)
    for name in ("images.h5", "labels.h5"):
        assert (out / "skip" / name).read_bytes() == (out / "stop" / name).read_bytes()


def test_a_split_that_loses_every_image_is_refused_with_the_reason(files: ImageFiles, out: Path):
    files.images["c"].write_bytes(b"")
    with pytest.raises(InputError, match=r"raw: nothing is left of split val; \S*c\.jpg is unreadable"):
        skipping(out, files)
    assert not out.exists()


def test_a_class_that_only_skipped_labels_hold_does_not_count(files: ImageFiles, out: Path):
    save_indices(files.labels["a"], 0)
    save_indices(files.labels["b"], 1, height=8, width=6)
    with pytest.raises(InputError, match="all label maps hold only background"):
        skipping(out, files)


def test_thousands_of_reasons_are_kept(files: ImageFiles, out: Path):
    faults = {f"{k:05d}": f"{k:05d} is listed, but has no file; add it or drop the line" for k in range(5000)}
    everyone = {"all": [*files.images, *faults]}
    checked, images, _ = skipping(out, replace(files, splits=everyone, faults=faults))
    assert images.metadata == {"skipped": faults} == {"skipped": checked.skipped}


def test_pixel_modes_are_counted(files: ImageFiles, out: Path):
    Image.new("L", (8, 6)).save(files.images["c"])
    assert skipping(out, files)[0].modes == {"L": 1, "RGB": 2}
