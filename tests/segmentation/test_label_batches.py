from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import InputError
from pipeline.images.codecs import encode_png
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.packed import write_packed
from pipeline.segmentation.label_batches import LabelledSquares, labelled_split, square_pair

Coloured = tuple[ImageSet, LabelSet]


def test_split_with_an_unlabelled_image_is_refused_and_the_image_named(coloured: Coloured) -> None:
    with pytest.raises(InputError, match=r"split 'bare' .* 1 of 2 images have no labels .* \(first img_8\)"):
        labelled_split(*coloured, "bare")


def test_empty_and_unknown_splits_are_refused(coloured: Coloured) -> None:
    with pytest.raises(InputError, match="'none' .* is empty"):
        labelled_split(*coloured, "none")
    with pytest.raises(InputError, match="no split 'test'"):
        labelled_split(*coloured, "test")


def test_labelled_split_is_the_splits_images(coloured: Coloured) -> None:
    assert labelled_split(*coloured, "val").tolist() == [6, 7]


def test_pair_is_squared_whatever_its_aspect() -> None:
    image = np.full((2, 8, 3), (255, 0, 51), dtype=np.uint8)
    labels = np.repeat(np.array([[1, 2]], dtype=np.uint8), 4, axis=1).repeat(2, axis=0)
    pixels, truth = square_pair(image, labels, 4)
    torch.testing.assert_close(pixels, torch.tensor([1.0, 0.0, 0.2])[:, None, None].expand(3, 4, 4))
    assert truth.tolist() == [[1, 1, 2, 2]] * 4


def test_item_is_the_image_of_its_index_with_its_own_labels(coloured: Coloured) -> None:
    images, labels = coloured
    squares = LabelledSquares(images, labels, np.array([4, 2]), 32)
    pixels, truth = squares[1]
    expected_pixels, expected_truth = square_pair(images.rgb(2), labels.labels(2), 32)
    assert len(squares) == 2
    assert torch.equal(pixels, expected_pixels)
    assert torch.equal(truth, expected_truth)


def packed_pair(folder: Path, image: tuple[int, int, int], labels: np.ndarray) -> LabelledSquares:
    write_packed(folder / "i.h5", [("a", encode_png(np.zeros(image, dtype=np.uint8)))], "images")
    write_packed(folder / "l.h5", [("a", encode_png(labels))], "labels", metadata={"classes": ["ground", "object"]})
    return LabelledSquares(ImageSet(folder / "i.h5"), LabelSet(folder / "l.h5"), np.array([0]), 32)


def test_label_map_of_another_size_is_refused(tmp_path: Path) -> None:
    squares = packed_pair(tmp_path, (40, 50, 3), np.zeros((50, 40), dtype=np.uint8))
    with pytest.raises(InputError, match=r"a is \(40, 50\) pixels and its label map \(50, 40\)"):
        squares[0]


def test_class_without_a_name_is_refused(tmp_path: Path) -> None:
    squares = packed_pair(tmp_path, (40, 50, 3), np.full((40, 50), 2, dtype=np.uint8))
    with pytest.raises(InputError, match="label map of a holds class 2 but only 2 classes"):
        squares[0]
