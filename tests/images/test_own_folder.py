"""A folder of one's own as a target: its splits, and label maps that come later."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.images.folder import drawn, read
from pipeline.images.packing import pack
from pipeline.segmentation.label_batches import labelled_split
from tests.images.trees import save_indices, save_photo


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Ten photographs, half of them in a subfolder."""
    for i in range(10):
        save_photo(tmp_path / "photos" / ("street" if i % 2 else "") / f"{i}.jpg", seed=i)
    return tmp_path / "photos"


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_without_a_fraction_there_are_no_splits(source: Path) -> None:
    assert set(read(source).splits) == {"all"}


def test_a_split_is_drawn_from_the_seed(source: Path) -> None:
    found, again, other = (read(source, 0.3, seed).splits for seed in (0, 0, 1))
    assert found == again != other
    assert found["train"] == found["trainaug"]
    assert sorted(found["train"] + found["val"]) == found["all"] == sorted(read(source).images)


def test_about_the_fraction_is_drawn_and_never_all_or_none() -> None:
    ids = [f"photo_{i}" for i in range(1000)]
    assert 150 < len(drawn(ids, 0.2, 0)[0]) < 250
    assert [len(part) for part in drawn(ids[:2], 0.001, 0)] == [1, 1]
    assert [len(part) for part in drawn(ids[:2], 0.999, 0)] == [1, 1]


def test_images_that_are_added_leave_the_others_in_their_split() -> None:
    ids = [f"photo_{i}" for i in range(200)]
    before, after = drawn(ids[:150], 0.2, 0)[0], drawn(ids, 0.2, 0)[0]
    assert set(before) == set(after) & set(ids[:150])


def test_lists_of_ids_or_paths_come_before_the_draw(source: Path) -> None:
    write(source / "splits" / "val.txt", "0", "street/1.jpg", "street__3")
    found = read(source, 0.9, 0).splits
    assert found["val"] == ["0", "street__1", "street__3"]
    assert found["train"] == ["2", "4", "6", "8", "street__5", "street__7", "street__9"]
    write(source / "splits" / "train.txt", "2", "4")
    assert read(source).splits["train"] == ["2", "4"]


@pytest.mark.parametrize(
    ("name", "lines", "reason"),
    [
        ("val", ["street/11.jpg"], r"splits/val\.txt names 'street__11', which is no image of .*photos"),
        ("train", ["2"], r"splits/val\.txt is not there"),
        ("val", [], r"splits/val\.txt is empty"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(source: Path, name: str, lines: list[str], reason: str) -> None:
    write(source / "splits" / f"{name}.txt", *lines)
    with pytest.raises(InputError, match=reason):
        read(source)


def test_one_image_cannot_be_split(tmp_path: Path) -> None:
    save_photo(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="leaves no image for val; add images, or set val_fraction to 0"):
        read(tmp_path, 0.2)


def labelled(source: Path) -> Path:
    """Add names of classes, and label maps of two of the photographs."""
    write(source / "labels" / "classes.txt", "background", "cat", "dog")
    save_indices(source / "labels" / "0.png", 1)
    save_indices(source / "labels" / "street" / "1.png", 2)
    return source


def test_label_maps_that_come_later_leave_images_and_splits_as_they_are(source: Path, tmp_path: Path) -> None:
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
        pack(read(source, 0.3), tmp_path / folder / "images.h5", tmp_path / folder / "labels.h5", "stop")
        labelled(source)
    before, after = (tmp_path / folder / "images.h5" for folder in ("before", "after"))
    assert before.read_bytes() == after.read_bytes()
    assert not LabelSet(tmp_path / "before" / "labels.h5").ids
    labels = LabelSet(tmp_path / "after" / "labels.h5")
    assert (labels.ids, labels.classes) == (["0", "street__1"], ["background", "cat", "dog"])
    assert np.unique(labels.labels(1)).tolist() == [0, 2]


def test_of_a_partly_labelled_split_the_labelled_images_count(source: Path, tmp_path: Path) -> None:
    write(labelled(source) / "splits" / "val.txt", "0", "2", "4")
    pack(read(source), tmp_path / "images.h5", tmp_path / "labels.h5", "stop")
    images, labels = ImageSet(tmp_path / "images.h5"), LabelSet(tmp_path / "labels.h5")
    assert [images.ids[i] for i in labelled_split(images, labels, "val")] == ["0"]
    assert [images.ids[i] for i in labelled_split(images, labels, "train")] == ["street__1"]


def test_a_split_without_any_label_map_is_refused(source: Path, tmp_path: Path) -> None:
    write(labelled(source) / "splits" / "val.txt", "2", "4")
    pack(read(source), tmp_path / "images.h5", tmp_path / "labels.h5", "stop")
    images, labels = ImageSet(tmp_path / "images.h5"), LabelSet(tmp_path / "labels.h5")
    with pytest.raises(InputError, match="2 of 2 images have no labels"):
        labelled_split(images, labels, "val")


def test_label_maps_of_no_image_are_refused_and_single_ones_counted(source: Path) -> None:
    write(source / "labels" / "classes.txt", "background", "cat")
    save_indices(source / "labels" / "11.png", 1)
    with pytest.raises(InputError, match=r"11\.png is the label map of no image"):
        read(source)
    save_indices(source / "labels" / "0.png", 1)
    assert read(source).unpaired == 1


def test_without_names_of_classes_a_folder_called_labels_holds_images(source: Path) -> None:
    save_photo(source / "labels" / "a.jpg")
    assert "labels__a" in read(source).images
