from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.images.codecs import encode_map, encode_png
from pipeline.images.datasets import ImageSet, MapSet
from pipeline.packed import write_packed
from pipeline.pseudolabels.maps import square_images, square_maps, to_bytes, write_maps

SHAPES = {"a": (30, 50), "b": (64, 20), "c": (16, 16)}


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    """Three plain images of different sizes and colours."""
    path = tmp_path / "images.h5"
    plain = [np.full((*shape, 3), (10 * i, 100, 255), np.uint8) for i, shape in enumerate(SHAPES.values())]
    heights, widths = (list(sides) for sides in zip(*SHAPES.values(), strict=True))
    encoded = zip(SHAPES, map(encode_png, plain), strict=True)
    write_packed(path, encoded, "images", columns={"height": heights, "width": widths})
    return ImageSet(path)


def test_images_become_squares_whatever_their_aspect(images: ImageSet):
    squares = square_images(images, 24)
    assert squares.shape == (3, 3, 24, 24)
    assert squares[:, :, 5, 5].tolist() == [[0, 100, 255], [10, 100, 255], [20, 100, 255]]


def test_maps_become_squares_in_255ths(tmp_path: Path):
    path = tmp_path / "maps.h5"
    write_packed(path, [("a", encode_map(np.full((30, 50), 51 / 255, np.float32)))], "maps")
    assert square_maps(MapSet(path), 24).unique().tolist() == [51]


def test_values_are_rounded_to_the_nearest_255th():
    assert to_bytes(torch.tensor([0, 0.4 / 255, 0.6 / 255, 1])).tolist() == [0, 0, 1, 255]


def test_maps_are_written_at_the_size_of_their_images(images: ImageSet, tmp_path: Path):
    assert write_maps(tmp_path / "out.h5", images, torch.rand(3, 24, 24)) == 3
    written = MapSet(tmp_path / "out.h5")
    assert written.ids == images.ids
    assert [written.map(i).shape for i in range(3)] == list(SHAPES.values())


def test_maps_are_enlarged_bilinearly(images: ImageSet, tmp_path: Path):
    # 8 x 8 to 16 x 16, a step between columns 3 and 4: pixel centres fall a quarter of a cell beside the old ones.
    step = torch.zeros(3, 8, 8)
    step[:, :, 4:] = 1
    write_maps(tmp_path / "out.h5", images, step)
    row = MapSet(tmp_path / "out.h5").map(2)[0]
    np.testing.assert_allclose(row[6:10], [0, 0.25, 0.75, 1], atol=1 / 255)


def test_writing_twice_gives_the_same_bytes(images: ImageSet, tmp_path: Path):
    maps = torch.rand(3, 24, 24)
    files = [tmp_path / "first.h5", tmp_path / "second.h5"]
    for file in files:
        write_maps(file, images, maps)
    assert files[0].read_bytes() == files[1].read_bytes()
