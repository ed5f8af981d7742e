import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.images.coco import Category, classes_of, classes_of_segments, read
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.images.packing import check, limited, pack
from tests.images.trees import CATEGORIES, save, save_coco, save_photo

CLASSES = ["background", "aeroplane", "person"]
NINE, TEN, ELEVEN = "000000000009", "000000000010", "000000000011"
# Numbers whose colours have all three channels, more than 2 ** 23 and the largest there is.
FIRST, SECOND, LAST = 3 + 256 * 5 + 65536 * 7, 200 * 65536, 256**3 - 1


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save_coco(
        tmp_path / "coco",
        {
            "train2017": {
                NINE: [(FIRST, 1, 8), (SECOND, 5, 16), (LAST, 22, 8), (5, 92, 8)],
                TEN: [(7, 1, 48)],
            },
            "val2017": {ELEVEN: [(9, 5, 24)]},
        },
    )


@pytest.mark.parametrize(("other_things", "elephant"), [("background", 0), ("ignore", 255)])
def test_segments_become_classes(source: Path, tmp_path: Path, other_things, elephant: int):
    pack(read(source, CLASSES, other_things), tmp_path / "images.h5", tmp_path / "labels.h5", "stop")
    labels = LabelSet(tmp_path / "labels.h5")
    # Person, aeroplane, elephant, banner, nothing: rows of eight pixels, two of the aeroplane.
    assert labels.labels(0).tolist() == [[value] * 8 for value in (2, 1, 1, elephant, 0, 255)]
    assert labels.labels(2).tolist() == [[1] * 8] * 3 + [[255] * 8] * 3
    assert labels.classes == CLASSES


def test_train_is_two_splits_and_val_one(source: Path, tmp_path: Path):
    pack(read(source, CLASSES, "background"), tmp_path / "images.h5", tmp_path / "labels.h5", "stop")
    images = ImageSet(tmp_path / "images.h5")
    assert images.ids == [NINE, TEN, ELEVEN]
    splits = {name: images.split(name).tolist() for name in images.split_names}
    assert splits == {"train": [0, 1], "trainaug": [0, 1], "val": [2]}
    assert images[0] == (source / "train2017" / f"{NINE}.jpg").read_bytes()


def test_one_part_is_enough_and_images_without_annotation_stay_out(source: Path):
    (source / "annotations" / "panoptic_train2017.json").unlink()
    save_photo(source / "val2017" / f"{TEN}.jpg")
    found = read(source, CLASSES, "background")
    assert found.splits == {"val": [ELEVEN]} and list(found.images) == [ELEVEN]


def test_limits_hold(source: Path):
    found = limited(read(source, CLASSES, "background"), {"trainaug": 1, "train": 1})
    assert list(check(found, "stop").shapes) == [NINE, ELEVEN]


# The categories that are VOC's, in the order of its classes: COCO's id and name, VOC's name.
AS_VOC = [
    (5, "airplane", "aeroplane"),
    (2, "bicycle", "bicycle"),
    (16, "bird", "bird"),
    (9, "boat", "boat"),
    (44, "bottle", "bottle"),
    (6, "bus", "bus"),
    (3, "car", "car"),
    (17, "cat", "cat"),
    (62, "chair", "chair"),
    (21, "cow", "cow"),
    (67, "dining table", "diningtable"),
    (18, "dog", "dog"),
    (19, "horse", "horse"),
    (4, "motorcycle", "motorbike"),
    (1, "person", "person"),
    (64, "potted plant", "pottedplant"),
    (20, "sheep", "sheep"),
    (63, "couch", "sofa"),
    (7, "train", "train"),
    (72, "tv", "tvmonitor"),
]


def test_the_twenty_categories_become_vocs_classes():
    classes = ["background", *(name for _, _, name in AS_VOC)]
    categories = {number: Category(name, True) for number, name, _ in AS_VOC}
    others = {8: Category("truck", True), 189: Category("table-merged", False)}
    expected = {number: k for k, (number, _, _) in enumerate(AS_VOC, start=1)}
    assert classes_of(categories | others, classes, "background") == expected | {8: 0, 189: 0}
    assert classes_of(categories | others, classes, "ignore") == expected | {8: 255, 189: 0}


def test_a_class_that_coco_lacks_is_refused():
    categories = {found["id"]: Category(found["name"], bool(found["isthing"])) for found in CATEGORIES}
    with pytest.raises(InputError, match="classes name 'unicorn', which is no category of COCO"):
        classes_of(categories, ["background", "person", "unicorn"], "background")


def test_a_thing_of_coco_can_be_a_class_of_its_own():
    categories = {found["id"]: Category(found["name"], bool(found["isthing"])) for found in CATEGORIES}
    assert classes_of(categories, ["background", "elephant"], "ignore") == {1: 255, 5: 255, 22: 1, 92: 0}


def test_segments_are_found_whatever_their_order():
    pixels = np.array([[0, 9], [300, 4]])
    found = classes_of_segments(pixels, np.array([300, 4, 9]), np.array([1, 2, 3], np.uint8))
    assert found is not None and found.tolist() == [[255, 3], [1, 2]]
    assert classes_of_segments(pixels, np.array([300, 4]), np.array([1, 2], np.uint8)) is None
    empty = classes_of_segments(np.zeros((1, 2), np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))
    assert empty is not None and empty.tolist() == [[255, 255]]


def edit(source: Path, change: Callable[[dict], object]) -> None:
    path = source / "annotations" / "panoptic_train2017.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def panoptic(source: Path) -> Path:
    return source / "annotations" / "panoptic_train2017" / f"{TEN}.png"


def recategorise(content: dict) -> None:
    content["annotations"][1]["segments_info"][0]["category_id"] = 77


def unlist(content: dict) -> None:
    content["annotations"][1]["segments_info"] = []


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda source: panoptic(source).unlink(), rf"\.json lists '{TEN}', but \S+panoptic_train2017 has no file"),
        (lambda source: (source / "train2017" / f"{TEN}.jpg").unlink(), rf"lists '{TEN}', but \S+/train2017 has no"),
        (lambda source: panoptic(source).write_bytes(b""), rf"{TEN}\.png is unreadable"),
        (lambda source: save_photo(panoptic(source)), rf"{TEN}\.png holds a segment that \S+\.json does not list"),
        (
            lambda source: save(panoptic(source), np.tile(np.array([7, 0, 0], np.uint8), (8, 6, 1))),
            rf"{TEN}\.png is 6x8 but its image is 8x6",
        ),
        (lambda source: save(panoptic(source), np.zeros((6, 8), np.uint8)), rf"{TEN}\.png is stored as L, not as"),
        (
            lambda source: edit(source, recategorise),
            rf"\.json gives {TEN} a segment of category 77, which is none of its 4",
        ),
        (lambda source: edit(source, unlist), rf"{TEN}\.png holds a segment that"),
    ],
    ids=["no png", "no image", "empty png", "segment", "size", "grey", "category", "unlisted"],
)
def test_a_fault_stops_or_skips_its_image(source: Path, damage: Callable[[Path], object], reason: str):
    damage(source)
    with pytest.raises(InputError, match=reason):
        check(read(source, CLASSES, "background"), "stop")
    checked = check(read(source, CLASSES, "background"), "skip")
    assert list(checked.skipped) == [TEN]
    assert checked.files.splits == {"trainaug": [NINE], "train": [NINE], "val": [ELEVEN]}


@pytest.mark.parametrize(
    "text",
    [
        *("{", "[]", '{"annotations": []}', '{"annotations": [], "categories": [{"id": 1, "name": "person"}]}'),
        '{"annotations": [1], "categories": []}',
        '{"images": [{"category_id": 1}]}',
    ],
)
def test_a_list_of_another_structure_is_refused(source: Path, text: str):
    (source / "annotations" / "panoptic_val2017.json").write_text(text)
    with pytest.raises(InputError, match=r"panoptic_val2017\.json is truncated or no panoptic annotation of COCO"):
        read(source, CLASSES, "background")


def test_a_tree_without_lists_is_refused(source: Path):
    for path in (source / "annotations").glob("*.json"):
        path.unlink()
    with pytest.raises(InputError, match=r"holds none of panoptic_train2017\.json, panoptic_val2017\.json; add one"):
        read(source, CLASSES, "background")
