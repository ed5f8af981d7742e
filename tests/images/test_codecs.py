import io

import numpy as np
import pytest
from PIL import Image

from pipeline.images.codecs import decode_image, decode_labels, decode_map, encode_map, encode_png, size_of


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def test_png_keeps_every_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(decode_image(encode_png(pixels)), pixels)


def test_grey_image_is_repeated_to_three_channels():
    grey = np.array([[0, 7], [200, 255]], dtype=np.uint8)
    assert np.array_equal(decode_image(encode_png(grey)), np.stack([grey] * 3, axis=-1))


def test_exif_orientation_is_not_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to show
    data = encoded(Image.new("RGB", (8, 4)), "JPEG", exif=exif)
    assert decode_image(data).shape == (4, 8, 3)
    assert size_of(data) == (4, 8)


def test_palette_label_map_decodes_to_its_indices():
    image = Image.new("P", (3, 1))
    image.putpalette([9, 9, 9] * 256)
    image.putdata([0, 15, 255])
    assert decode_labels(encoded(image, "PNG")).tolist() == [[0, 15, 255]]


@pytest.mark.parametrize("value, stored", [(0.0, 0), (0.4, 102), (0.5, 128), (1.0, 255), (1.2, 255), (-0.1, 0)])
def test_map_is_rounded_to_the_nearest_of_256_levels(value: float, stored: int):
    data = encode_map(np.full((2, 3), value, dtype=np.float32))
    assert decode_labels(data).tolist() == [[stored] * 3] * 2
    assert decode_map(data) == pytest.approx(np.full((2, 3), stored / 255))
