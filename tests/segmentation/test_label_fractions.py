from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.images.codecs import encode_png
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.packed import write_packed
from pipeline.segmentation.label_fractions import (
    beginning,
    classes_shown,
    listed_ids,
    order_images,
    read_images,
    write_ids,
)

Coloured = tuple[ImageSet, LabelSet]
# 21 classes of rising rarity, as in PASCAL VOC; the last is in one image only.
RARE = np.zeros((10582, 21), dtype=bool)
for _label in range(20):
    RARE[:: 2 + 40 * _label, _label] = True
RARE[7777, 20] = True


def fraction(shown: np.ndarray, share: float, seed: int = 0, split: int = 0, cover: bool = True) -> np.ndarray:
    return beginning(order_images(shown, seed, split, cover), share)


@pytest.mark.parametrize("cover", [False, True])
@pytest.mark.parametrize(("share", "images"), [(0.01, 106), (0.02, 212), (0.05, 529), (0.125, 1323), (1.0, 10582)])
def test_fractions_of_the_paper_give_the_papers_counts(share: float, images: int, cover: bool) -> None:
    chosen = fraction(RARE, share, cover=cover)
    assert len(chosen) == images
    assert (np.diff(chosen) > 0).all()


@pytest.mark.parametrize("split", range(3))
def test_a_class_of_one_image_is_in_every_fraction_of_every_split(split: int) -> None:
    for share in (0.01, 0.02, 0.05, 0.125, 1.0):
        assert RARE[fraction(RARE, share, split=split)].any(axis=0).all()


def test_without_covering_a_rare_class_is_left_to_chance() -> None:
    assert not any(RARE[fraction(RARE, 0.01, split=split, cover=False), 20].any() for split in range(3))


@pytest.mark.parametrize("cover", [False, True])
def test_smaller_fraction_lies_inside_the_larger_one_of_its_split(cover: bool) -> None:
    small, middle, large = (set(fraction(RARE, share, split=1, cover=cover)) for share in (0.01, 0.02, 0.05))
    assert small < middle < large


def test_splits_and_seeds_draw_other_images_but_always_the_same_ones() -> None:
    first = fraction(RARE, 0.01)
    assert not np.array_equal(first, fraction(RARE, 0.01, split=1))
    assert not np.array_equal(first, fraction(RARE, 0.01, seed=1))
    assert np.array_equal(first, fraction(RARE, 0.01))


def test_the_rarest_class_comes_first_and_one_image_may_stand_for_several() -> None:
    # Image 4 alone shows class 3, and class 1 too; class 2 is in images 2 and 3, class 0 in all.
    shown = np.zeros((6, 4), dtype=bool)
    shown[:, 0] = shown[4, 3] = shown[4, 1] = shown[[0, 1, 2], 1] = shown[[2, 3], 2] = True
    for split in range(10):
        order = order_images(shown, 0, split, True)
        assert order[0] == 4
        assert order[1] in (2, 3)
        assert sorted(order) == list(range(6))


def test_a_fraction_of_fewer_images_than_classes_lacks_the_most_frequent_ones() -> None:
    # Class c is in c images of its own, so that one image covers one class.
    shown = np.repeat(np.eye(5, dtype=bool), [5, 4, 3, 2, 1], axis=0)
    for split in range(5):
        assert shown[fraction(shown, 3 / 15, split=split)].sum(axis=0).tolist() == [0, 0, 1, 1, 1]


def test_a_class_without_an_image_is_passed_over() -> None:
    shown = np.array([[True, False], [True, False]])
    assert sorted(order_images(shown, 0, 0, True)) == [0, 1]


def test_a_whole_split_is_all_its_images() -> None:
    assert np.array_equal(fraction(RARE[:7], 1.0, 3, 2), np.arange(7))


def test_at_least_one_image_is_labelled() -> None:
    assert len(beginning(np.arange(20), 0.01)) == 1


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5])
def test_fraction_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(InputError, match=f"fraction is {share}"):
        beginning(np.arange(9), share)


def test_no_images_are_refused() -> None:
    with pytest.raises(InputError, match="no image"):
        beginning(np.arange(0), 0.5)


def test_an_image_shows_the_classes_of_its_pixels(coloured: Coloured, tmp_path: Path) -> None:
    assert classes_shown(coloured[1], ["img_0", "img_1", "img_2"]).tolist() == [
        [True, True, False],
        [False, True, True],
        [True, False, True],
    ]
    labels = np.array([[255, 7]], dtype=np.uint8)
    write_packed(tmp_path / "odd.h5", [("a", encode_png(labels))], "labels", metadata={"classes": ["none", "cat"]})
    with pytest.raises(InputError, match="the label map of a holds class 7 but only 2 classes are named"):
        classes_shown(LabelSet(tmp_path / "odd.h5"), ["a"])


def test_a_list_is_read_as_it_was_written(coloured: Coloured, tmp_path: Path) -> None:
    write_ids(tmp_path / "list.txt", ["img_5", "img_2"])
    assert (tmp_path / "list.txt").read_text() == "img_5\nimg_2\n"
    assert read_images(tmp_path / "list.txt", *coloured).tolist() == [2, 5]


def test_an_id_may_hold_spaces(tmp_path: Path) -> None:
    write_ids(tmp_path / "list.txt", ["IMG 1", "IMG 2 "])
    assert listed_ids(tmp_path / "list.txt") == ["IMG 1", "IMG 2 "]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("\n", "list.txt names no image"),
        ("img_1\nimg_2\nimg_1\n", "list.txt names img_1 twice"),
        ("img_1\nimg_99\n", "list.txt names img_99, which .*coloured.h5 does not hold"),
        ("img_1\nimg_8\n", "list.txt names img_8, which .*coloured_labels.h5 does not hold"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(text: str, problem: str, coloured: Coloured, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_images(tmp_path / "list.txt", *coloured)
