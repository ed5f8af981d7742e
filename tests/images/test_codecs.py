import io

import numpy as np
import pytest
from PIL import Image
from skimage.data import chelsea

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


def test_of_16_bits_the_upper_8_are_kept_in_grey_as_in_colour():
    grey = np.array([[0, 255, 256, 40000, 65535]], dtype=np.uint16)
    assert decode_image(encoded(Image.fromarray(grey), "PNG"))[0].tolist() == [[v] * 3 for v in (0, 0, 1, 156, 255)]


def with_alpha(mode: str, colour: tuple[int, ...], alpha: int) -> Image.Image:
    return Image.new(mode, (2, 1), (*colour, alpha))


@pytest.mark.parametrize(
    ("image", "pixel"),
    [
        (with_alpha("RGBA", (200, 100, 0), 0), [255, 255, 255]),
        (with_alpha("RGBA", (200, 100, 0), 255), [200, 100, 0]),
        (with_alpha("RGBA", (200, 100, 0), 51), [244, 224, 204]),  # a fifth of the colour, four fifths of white
        (with_alpha("LA", (100,), 0), [255, 255, 255]),
    ],
    ids=["transparent", "opaque", "between", "grey"],
)
def test_what_is_transparent_is_laid_on_white(image: Image.Image, pixel: list[int]):
    assert decode_image(encoded(image, "PNG"))[0, 0].tolist() == pixel


@pytest.mark.parametrize(("options", "first"), [({}, [10, 20, 30]), ({"transparency": 0}, [255] * 3)])
@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_is_looked_up_and_may_have_a_transparent_colour(kind: str, options: dict[str, int], first: list[int]):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    assert decode_image(encoded(image, kind, **options))[0].tolist() == [first, [40, 50, 60]]


def test_palette_with_an_opacity_for_every_colour():
    image = Image.new("P", (2, 1))
    image.putpalette([200, 100, 0, 40, 50, 60])
    image.putdata([0, 1])
    data = encoded(image, "PNG", transparency=bytes([51, 255]))
    assert decode_image(data)[0].tolist() == [[244, 224, 204], [40, 50, 60]]


def test_an_animation_shows_its_first_frame():
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decode_image(data) == [255, 0, 0]).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"quality": 30, "progressive": True}, {"subsampling": 0}, {"subsampling": 1}])
def test_photographs_have_the_pixels_that_pillow_gives_them(mode: str, options: dict[str, int]):
    image = Image.fromarray(chelsea()[:121, :203]).convert(mode)
    photograph = encoded(image, "JPEG", **options)
    with Image.open(io.BytesIO(photograph)) as opened:
        assert np.array_equal(decode_image(photograph), np.asarray(opened.convert("RGB")))


def test_half_a_photograph_is_no_image():
    with pytest.raises(OSError, match="truncated"):
        decode_image(encoded(Image.fromarray(chelsea()), "JPEG")[:9000])


def test_bilevel_and_cmyk_images_become_rgb():
    assert decode_image(encoded(Image.new("1", (2, 1), 1), "PNG")).tolist() == [[[255] * 3] * 2]
    assert decode_image(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))[0, 0].tolist() == [255, 0, 0]


def test_a_size_beyond_the_limit_of_pillow_gives_no_warning():
    assert size_of(encoded(Image.new("1", (12000, 9000)), "PNG")) == (9000, 12000)


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
