import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.images.palette import encode_labels
from pipeline.masks.mask_files import read_objects, read_provenance
from tests.images.trees import save

OBJECT = np.zeros((6, 8), dtype=np.uint8)
OBJECT[1:4, 2:7] = 1
SEVERAL = OBJECT.copy()
SEVERAL[4:, :3], SEVERAL[0, 7] = 2, 3


@pytest.mark.parametrize(
    "pixels, mode",
    [
        (OBJECT * 255, None),
        (OBJECT, None),
        (OBJECT * 255, "1"),
        (OBJECT * 255, "RGB"),
        (OBJECT * 255, "RGBA"),
        (OBJECT * 255, "LA"),
        (OBJECT * 255, "P"),
        (np.where(OBJECT, 128, 127), None),
        (np.where(OBJECT, 253, SEVERAL), None),
    ],
    ids=["0/255", "0/1", "1-bit", "rgb", "rgba", "grey-alpha", "palette", "grey at the threshold", "noisy"],
)
def test_one_object_in_a_file_of_every_kind(tmp_path: Path, pixels: np.ndarray, mode: str | None):
    assert np.array_equal(read_objects(save(tmp_path / "m.png", pixels.astype(np.uint8), mode)), OBJECT)


def test_the_first_of_three_channels_is_read(tmp_path: Path):
    pixels = np.stack([OBJECT * 255, np.zeros_like(OBJECT), 255 - OBJECT], axis=-1)
    assert np.array_equal(read_objects(save(tmp_path / "m.png", pixels)), OBJECT)


@pytest.mark.parametrize("pixels", [SEVERAL, OBJECT], ids=["several", "one"])
def test_numbers_are_objects_in_grey_and_in_palette_files(tmp_path: Path, pixels: np.ndarray):
    (tmp_path / "palette.png").write_bytes(encode_labels(pixels))
    assert np.array_equal(read_objects(tmp_path / "palette.png"), pixels)
    assert np.array_equal(read_objects(save(tmp_path / "grey.png", pixels)), pixels)


def test_a_palette_of_greys_is_read_by_its_colours(tmp_path: Path):
    # As optimisers leave it: index 0 is white.
    image = Image.fromarray(1 - OBJECT)
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(tmp_path / "m.png")
    assert np.array_equal(read_objects(tmp_path / "m.png"), OBJECT)


def test_an_empty_file_holds_no_object(tmp_path: Path):
    assert not read_objects(save(tmp_path / "m.png", OBJECT * 0)).any()


@pytest.mark.parametrize("step, shown", [(38, "38, 76, 114"), (2, "2, 4, 6")])
def test_dark_values_that_are_no_numbers_are_refused(tmp_path: Path, step: int, shown: str):
    with pytest.raises(InputError, match=rf"m\.png holds the values {shown} beside 0; masks hold 0 and 255, 0 and 1"):
        read_objects(save(tmp_path / "m.png", SEVERAL * np.uint8(step)))


def test_255_beside_numbers_is_refused(tmp_path: Path):
    labels = SEVERAL.copy()
    labels[5, 5] = 255
    with pytest.raises(InputError, match=r"m\.png holds the values 1, 2, 3, 255 beside 0"):
        read_objects(save(tmp_path / "m.png", labels))


def test_a_file_that_is_no_image_and_one_of_16_bits_are_refused(tmp_path: Path):
    (tmp_path / "m.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"m\.png is unreadable"):
        read_objects(tmp_path / "m.png")
    with pytest.raises(InputError, match=r"deep\.png has 16 bits a pixel; save the mask with 8"):
        read_objects(save(tmp_path / "deep.png", OBJECT.astype(np.uint16)))


def test_provenance_is_read_where_it_lies(tmp_path: Path):
    assert read_provenance(tmp_path) == {}
    (tmp_path / "metadata.json").write_text(json.dumps({"estimator": "basnet"}))
    assert read_provenance(tmp_path) == {"estimator": "basnet"}


@pytest.mark.parametrize("text", ["[1]", "{", ""])
def test_provenance_that_is_no_object_is_refused(tmp_path: Path, text: str):
    (tmp_path / "metadata.json").write_text(text)
    with pytest.raises(InputError, match=r"metadata\.json holds no JSON object"):
        read_provenance(tmp_path)
