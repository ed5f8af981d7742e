from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.images.packing import check, limited, pack
from pipeline.images.voc import read, read_list
from tests.images.trees import SHARED, save_photo, save_voc

CLASSES = ["background", "cat", "dog"]
SPLITS = {"trainaug": ["a", "b", "c"], "train": ["b"], "val": ["d"]}


def test_image_of_train_and_trainaug_keeps_the_label_map_of_train(tmp_path: Path):
    found = read(save_voc(tmp_path, SPLITS), CLASSES)
    folders = {image_id: path.parent.name for image_id, path in found.labels.items()}
    assert folders == {
        "a": "SegmentationClassAug",
        "b": "SegmentationClass",
        "c": "SegmentationClassAug",
        "d": "SegmentationClass",
    }


def test_label_map_does_not_depend_on_the_limit(tmp_path: Path):
    found = read(save_voc(tmp_path, {"trainaug": ["a", "b"], "train": ["a", "b"]}), CLASSES)
    assert limited(found, {"train": 1}).labels["b"] == found.labels["b"]


def test_packed_set_holds_lists_labels_and_classes(tmp_path: Path):
    pack(read(save_voc(tmp_path / "voc", SPLITS), CLASSES), tmp_path / "images.h5", tmp_path / "labels.h5", "stop")
    images, labels = ImageSet(tmp_path / "images.h5"), LabelSet(tmp_path / "labels.h5")
    assert images.ids == labels.ids == ["a", "b", "c", "d"]
    assert {name: images.split(name).tolist() for name in images.split_names} == {
        "train": [1],
        "trainaug": [0, 1, 2],
        "val": [3],
    }
    assert [int(labels.labels(i).max()) for i in range(4)] == [2, 1, 2, 1]
    assert labels.classes == CLASSES


def test_any_of_the_lists_will_do_and_unlisted_images_stay_out(tmp_path: Path):
    save_voc(tmp_path, {"val": ["d"]})
    save_photo(tmp_path / "JPEGImages" / "unlisted.jpg")
    found = read(tmp_path, CLASSES)
    assert list(found.images) == ["d"] and found.splits == {"val": ["d"]}


@pytest.mark.parametrize("text", ["b\na", "b\na\n", "\n\n b \n\na\r\n", "\ufeffb\na\n"])
def test_list_bears_blank_lines_and_a_missing_last_newline(tmp_path: Path, text: str):
    path = tmp_path / "train.txt"
    path.write_text(text, encoding="utf-8")
    assert read_list(path) == ["a", "b"]


def test_list_with_an_id_twice_is_refused(tmp_path: Path):
    (tmp_path / "train.txt").write_text("a\nb\na\n")
    with pytest.raises(InputError, match=r"train\.txt lists a 2 times"):
        read_list(tmp_path / "train.txt")


def test_empty_list_is_refused(tmp_path: Path):
    (tmp_path / "train.txt").write_text("\n")
    with pytest.raises(InputError, match=r"train\.txt is empty"):
        read_list(tmp_path / "train.txt")


def test_listed_image_without_label_map_is_named(tmp_path: Path):
    save_voc(tmp_path, SPLITS)
    (tmp_path / "SegmentationClassAug" / "c.png").unlink()
    with pytest.raises(InputError, match=r"trainaug\.txt lists 'c', but \S*SegmentationClassAug has no file"):
        check(read(tmp_path, CLASSES), "stop")


def test_listed_images_without_image_or_label_map_can_be_skipped(tmp_path: Path):
    save_voc(tmp_path, SPLITS)
    (tmp_path / "SegmentationClassAug" / "c.png").unlink()
    (tmp_path / "JPEGImages" / "b.jpg").unlink()
    # The one image of train is gone, so without that list.
    (tmp_path / "ImageSets" / "Segmentation" / "train.txt").unlink()
    checked = check(read(tmp_path, CLASSES), "skip")
    assert list(checked.skipped) == ["b", "c"]
    assert checked.files.splits == {"trainaug": ["a"], "val": ["d"]}
    assert sorted(checked.files.labels) == ["a", "d"]


def test_listed_id_without_image_is_named(tmp_path: Path):
    save_voc(tmp_path, SPLITS)
    (tmp_path / "ImageSets" / "Segmentation" / "val.txt").write_text("/JPEGImages/d.jpg /SegmentationClass/d.png\n")
    with pytest.raises(InputError, match=r"val\.txt lists '/JPEGImages/d\.jpg \S+', but \S*JPEGImages has no file"):
        check(read(tmp_path, CLASSES), "stop")


def test_tree_without_lists_is_refused(tmp_path: Path):
    save_voc(tmp_path, {"val": ["d"]})
    (tmp_path / "ImageSets" / "Segmentation" / "val.txt").unlink()
    with pytest.raises(InputError, match=r"holds none of trainaug\.txt, train\.txt, val\.txt; add a split list"):
        read(tmp_path, CLASSES)


def test_tree_without_a_folder_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"ImageSets is no folder|Segmentation is no folder"):
        read(tmp_path, CLASSES)


@pytest.mark.skipif(not (SHARED / "VOCdevkit").is_dir(), reason="a copy of PASCAL VOC does not lie beside the project")
def test_real_voc_is_packed_unchanged(tmp_path: Path):
    classes = ["background", *(f"class {k}" for k in range(1, 21))]
    source = SHARED / "VOCdevkit" / "VOC2012"
    files = limited(read(source, classes), {"train": 3, "trainaug": 20, "val": 3})
    pack(files, tmp_path / "images.h5", tmp_path / "labels.h5", "stop")
    images, labels = ImageSet(tmp_path / "images.h5"), LabelSet(tmp_path / "labels.h5")
    train = set((source / "ImageSets/Segmentation/train.txt").read_text().split())
    for i in images.split("trainaug").tolist():
        folder = "SegmentationClass" if images.ids[i] in train else "SegmentationClassAug"
        with Image.open(source / folder / f"{images.ids[i]}.png") as label_map:
            assert np.array_equal(labels.labels(i), np.asarray(label_map))
        assert images[i] == (source / "JPEGImages" / f"{images.ids[i]}.jpg").read_bytes()
