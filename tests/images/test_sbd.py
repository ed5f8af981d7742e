from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pipeline.errors import InputError
from pipeline.images import sbd
from pipeline.images.codecs import decode_labels
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.images.packing import check, pack
from pipeline.images.sbd import compared_with_published, read_segmentation, sha256_of_list, trainaug
from pipeline.images.voc import read
from tests.images.trees import save_mat, save_photo, save_sbd, save_voc

CLASSES = ["background", "cat", "dog"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """VOC with a, b in train and v, w in val; SBD with b, c, v in train and d in val, so only VOC has a."""
    root = save_voc(tmp_path / "voc", {"train": ["a", "b"], "val": ["v", "w"]})
    save_sbd(root / "SBD" / "dataset", ["b", "c", "v"], ["d"])
    for image_id in "cd":
        save_photo(root / "JPEGImages" / f"{image_id}.jpg")
    return root


def test_trainaug_is_train_and_sbd_without_val(source: Path):
    assert trainaug(["b", "a"], ["v", "w"], ["v", "c", "b"]) == ["a", "b", "c"]
    assert read(source, CLASSES).splits == {"trainaug": ["a", "b", "c", "d"], "train": ["a", "b"], "val": ["v", "w"]}


def test_labels_are_those_of_voc_where_train_has_the_image_and_of_sbd_elsewhere(source: Path, tmp_path: Path):
    pack(read(source, CLASSES), tmp_path / "images.h5", tmp_path / "labels.h5", "stop")
    labels = LabelSet(tmp_path / "labels.h5")
    assert {i: int(labels.labels(k).max()) for k, i in enumerate(labels.ids)} == {
        "a": 1,
        "b": 1,
        "c": 2,
        "d": 2,
        "v": 1,
        "w": 1,
    }
    assert labels.labels(2).tolist() == [[2] * 4 + [0] * 4] * 3 + [[0] * 8] * 3
    assert ImageSet(tmp_path / "images.h5").split("trainaug").tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("place", sbd.PLACES, ids="/".join)
def test_sbd_is_found_in_each_of_its_places(source: Path, place: tuple[str, ...]):
    target = source.joinpath(*place)
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        (source / "SBD" / "dataset").rename(target)
    assert read(source, CLASSES).labels["c"] == target / "cls" / "c.mat"


def test_a_list_or_png_labels_of_ones_own_go_before_sbd(source: Path):
    lists = source / "ImageSets" / "Segmentation"
    (lists / "trainaug.txt").write_text("a\nc\n")
    assert read(source, CLASSES).splits["trainaug"] == ["a", "c"]
    save_voc(source, {"trainaug": ["c"]})
    assert read(source, CLASSES).labels["c"] == source / "SegmentationClassAug" / "c.png"


@pytest.mark.parametrize("name", ["train", "val"])
def test_trainaug_needs_both_lists_of_voc(source: Path, name: str):
    (source / "ImageSets" / "Segmentation" / f"{name}.txt").unlink()
    with pytest.raises(InputError, match=rf"{name}\.txt is not there, and trainaug cannot be put together without"):
        read(source, CLASSES)


def test_a_missing_list_of_sbd_is_named(source: Path):
    (source / "SBD" / "dataset" / "val.txt").unlink()
    with pytest.raises(InputError, match=r"SBD/dataset/val\.txt is not there; add the list"):
        read(source, CLASSES)


def test_a_linked_folder_of_sbd_is_refused(source: Path, tmp_path: Path):
    (source / "SBD").rename(tmp_path / "elsewhere")
    (source / "SBD").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="SBD is a linked folder"):
        read(source, CLASSES)


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        (["b", "a", "c"], "trainaug is the published list of 3 images"),
        (["a", "b"], "trainaug has 2 images, 1 fewer than the published list"),
        (["a", "b", "c", "d", "e"], "trainaug has 5 images, 2 more than the published list"),
    ],
)
def test_trainaug_is_compared_with_the_published_list(
    ids: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sbd, "TRAINAUG_IMAGES", 3)
    # `printf 'a\nb\nc\n' | sha256sum`
    published = "880553fca8fcea94e325ee2cfb48e5a985cc797f39a14cc6d3cedecfeb2ae4d2"
    monkeypatch.setattr(sbd, "TRAINAUG_SHA256", published)
    assert compared_with_published(ids) == sentence
    with pytest.raises(
        InputError, match=rf"3 images, as the published list does, but its sha256 is \w+ and not {published}"
    ):
        compared_with_published(["a", "b", "d"])


def test_the_sum_of_a_list_is_that_of_its_sorted_lines():
    # `printf 'a\nb\n' | sha256sum`
    assert sha256_of_list(["b", "a"]) == "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2"


def test_what_is_said_of_trainaug_is_logged(source: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("INFO"):
        read(source, CLASSES)
    assert caplog.messages == ["trainaug has 4 images, 10578 fewer than the published list"]


def test_a_mat_file_comes_as_indices_and_as_png(tmp_path: Path):
    data, indices = read_segmentation(save_mat(tmp_path / "x.mat", 20, 4, 2))
    assert indices.tolist() == [[20, 0], [20, 0], [0, 0], [0, 0]]
    assert np.array_equal(decode_labels(data), indices)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate, r"c\.mat is truncated or no file of SBD's folder cls"),
        (lambda path: path.write_bytes(b""), r"c\.mat is truncated"),
        (lambda path: path.write_text("no MATLAB file" * 20), r"c\.mat is truncated"),
        (lambda path: save_mat(path, 2, Segmentation=np.zeros((6, 8))), r"c\.mat holds no class index of 8 bits"),
        (lambda path: save_mat(path, 2, Segmentation=np.zeros((6, 8, 3), np.uint8)), r"c\.mat holds no class index"),
        (lambda path: save_mat(path, 2, 8, 6), r"c\.mat is 6x8 but its image is 8x6"),
        (lambda path: save_mat(path, 3), r"c\.mat holds the value 3, but there are 3 classes"),
        (lambda path: path.unlink(), r"SBD/dataset lists 'c', but \S+SBD/dataset/cls has no file of that name"),
    ],
    ids=["truncated", "empty", "text", "floats", "colour", "size", "value", "gone"],
)
def test_a_broken_label_stops_or_skips_its_image(source: Path, damage, reason: str):
    damage(source / "SBD" / "dataset" / "cls" / "c.mat")
    with pytest.raises(InputError, match=reason):
        check(read(source, CLASSES), "stop")
    checked = check(read(source, CLASSES), "skip")
    assert list(checked.skipped) == ["c"]
    assert checked.files.splits["trainaug"] == ["a", "b", "d"]


def test_a_struct_of_another_name_is_refused(tmp_path: Path):
    savemat(tmp_path / "x.mat", {"GTinst": {"Segmentation": np.zeros((2, 2), np.uint8)}})
    with pytest.raises(InputError, match=r"x\.mat is truncated or no file of SBD's folder cls"):
        read_segmentation(tmp_path / "x.mat")
