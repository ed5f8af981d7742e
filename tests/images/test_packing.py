from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet, LabelSet, original_sizes
from pipeline.images.packing import ImageFiles, limited, pack
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
    pack(files, out / "images.h5", out / "labels.h5")
    return ImageSet(out / "images.h5"), LabelSet(out / "labels.h5")


def assert_refused(out: Path, files: ImageFiles, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        pack_into(out, files)
    assert not any(out.iterdir()), "something half-written is left"


def test_images_keep_their_bytes_and_record_their_sizes(files: ImageFiles, out: Path):
    save_photo(files.images["b"], height=5, width=9)
    save_indices(files.labels["b"], 1, height=5, width=9)
    images, _ = pack_into(out, files)
    assert [images[i] for i in range(3)] == [files.images[name].read_bytes() for name in "abc"]
    assert original_sizes(images).tolist() == [[6, 8], [5, 9], [6, 8]]


def test_labels_are_packed_for_labelled_images_only(files: ImageFiles, out: Path):
    images, labels = pack_into(out, files)
    assert images.ids == ["a", "b", "c"] and labels.ids == ["a", "b"]
    assert labels.labels(0).tolist() == [[1] * 4 + [0] * 4] * 3 + [[0] * 8] * 3
    assert images.split_names == ["train", "val"]


def test_set_without_labels_gets_a_valid_empty_label_file(files: ImageFiles, out: Path):
    images, labels = pack_into(out, replace(files, labels={}, classes=[], splits={"all": ["a", "b", "c"]}))
    assert len(labels) == 0 and labels.classes == []
    assert images.split_names == [] and images.split("all").tolist() == [0, 1, 2]


def test_exif_orientation_is_not_applied(files: ImageFiles, out: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to show
    save(files.images["c"], np.zeros((4, 10, 3), dtype=np.uint8), exif=exif)
    assert original_sizes(pack_into(out, files)[0])[2].tolist() == [4, 10]


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


def test_image_of_16_bits_is_refused(files: ImageFiles, out: Path):
    save(path := files.images["a"].with_suffix(".png"), np.full((6, 8), 300, dtype=np.uint16))
    assert_refused(out, replace(files, images={**files.images, "a": path}), "a.png has I;16 pixels; save it with 8")


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


def test_id_that_is_not_ascii_is_refused(files: ImageFiles, tmp_path: Path, out: Path):
    out.mkdir()
    path = save_photo(tmp_path / "raw" / "Bär.jpg")
    assert_refused(out, replace(files, images={**files.images, "Bär": path}), "image ids are ASCII, .* rename the file")


def numbered(counts: dict[str, range]) -> ImageFiles:
    splits = {name: [f"{k:02d}" for k in numbers] for name, numbers in counts.items()}
    images = {image_id: Path(f"{image_id}.jpg") for ids in splits.values() for image_id in ids}
    return ImageFiles(Path("raw"), images, splits, {i: Path(f"{i}.png") for i in images}, CLASSES)


def test_limit_takes_evenly_spaced_images_of_the_split():
    kept = limited(numbered({"train": range(10)}), {"train": 4})
    assert kept.splits == {"train": ["00", "02", "05", "07"]}
    assert list(kept.images) == list(kept.labels) == ["00", "02", "05", "07"]


@pytest.mark.parametrize("limit", [{}, {"train": 0}, {"train": 10}, {"train": 99}])
def test_no_limit_or_a_wide_one_keeps_all(limit: dict[str, int]):
    assert len(limited(numbered({"train": range(10)}), limit).images) == 10


def test_limits_hold_for_each_list_and_the_union_is_packed():
    kept = limited(numbered({"trainaug": range(8), "train": range(4), "val": range(8, 10)}), {"trainaug": 2, "val": 1})
    assert kept.splits == {"trainaug": ["00", "04"], "train": ["00", "01", "02", "03"], "val": ["08"]}
    assert sorted(kept.images) == ["00", "01", "02", "03", "04", "08"]


def test_limit_for_an_unknown_split_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="limit names a split 'test' that raw does not have; it has train, val"):
        limited(numbered({"train": range(2), "val": range(2, 4)}), {"test": 1})
