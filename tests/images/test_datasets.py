from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.images.codecs import encode_png
from pipeline.images.datasets import ImageSet, LabelSet, MapSet, shuffled_batches, square_batches
from pipeline.packed import write_packed
from tests.conftest import disc


def test_image_keeps_its_size_and_brightness(disc_images: Path):
    rgb = ImageSet(disc_images).rgb(0)
    assert rgb.shape == (40, 48, 3)
    assert rgb[disc(0)].mean() > 100 > rgb[~disc(0)].mean()


def test_squared_image_ignores_the_aspect_and_lies_in_0_to_1(disc_images: Path):
    images = ImageSet(disc_images)
    square = images.squared(3, 16)
    assert square.shape == (3, 16, 16)
    assert square.mean().item() == pytest.approx(images.rgb(3).mean() / 255, abs=0.01)


def test_squared_map_averages_instead_of_skipping_pixels(tmp_path: Path):
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (8, 4))
    write_packed(tmp_path / "maps.h5", [("a", encode_png(stripes))], "maps")
    assert MapSet(tmp_path / "maps.h5").squared(0, 2) == pytest.approx(0.5, abs=0.1)


def test_map_is_in_0_to_1(disc_maps: Path):
    saliency = MapSet(disc_maps).map(2)
    assert np.unique(saliency).tolist() == pytest.approx([26 / 255, 230 / 255])


def test_label_set_names_its_classes_and_decodes_indices(tmp_path: Path):
    labels = np.array([[0, 1, 255]], dtype=np.uint8)
    write_packed(tmp_path / "l.h5", [("a", encode_png(labels))], "labels", metadata={"classes": ["background", "cat"]})
    read = LabelSet(tmp_path / "l.h5")
    assert read.classes == ["background", "cat"]
    assert np.array_equal(read.labels(0), labels)


def test_image_set_refuses_a_file_of_maps(disc_maps: Path):
    with pytest.raises(InputError, match="holds maps, not images"):
        ImageSet(disc_maps)


def test_square_batches_keep_the_order_and_end_with_a_smaller_one(disc_images: Path):
    images = ImageSet(disc_images)
    batches = list(square_batches(images, [5, 0, 3], 8, 2))
    assert [chosen for chosen, _ in batches] == [[5, 0], [3]]
    assert batches[1][1].equal(images.squared(3, 8)[None])


@pytest.mark.parametrize("keep_last, sizes", [(True, [4, 4, 2]), (False, [4, 4])])
def test_shuffled_batches_hold_every_index_once(keep_last: bool, sizes: list[int]):
    indices = np.arange(20, 30)
    batches = shuffled_batches(indices, 4, np.random.default_rng(0), keep_last)
    assert [len(batch) for batch in batches] == sizes
    drawn = [i for batch in batches for i in batch]
    assert len(set(drawn)) == len(drawn) and set(drawn) <= set(indices.tolist())
    assert drawn != sorted(drawn)


def test_a_full_last_batch_is_never_dropped():
    assert len(shuffled_batches(np.arange(8), 4, np.random.default_rng(0), keep_last=False)) == 2


def test_original_sizes_are_height_then_width(disc_images: Path):
    assert ImageSet(disc_images).sizes.tolist() == [[40, 48]] * 12
