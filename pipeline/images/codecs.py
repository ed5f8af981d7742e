"""Encoded bytes to arrays and back: images, label maps, saliency maps."""

import io

import numpy as np
import simplejpeg
from jaxtyping import Float, UInt8
from PIL import Image

JPEG = b"\xff\xd8\xff"

# Pillow warns and later refuses by size, whatever the file; here only `pack_images` does, and what it let in stays in.
Image.MAX_IMAGE_PIXELS = None


def size_of(data: bytes) -> tuple[int, int]:
    """Height and width of an encoded image, from its header."""
    with Image.open(io.BytesIO(data)) as image:
        return image.height, image.width


def decode_image(data: bytes) -> UInt8[np.ndarray, "h w 3"]:
    """RGB pixels of an encoded image; grey images are repeated to three channels.

    Of 16 bits the upper 8 are kept: black and white stay where the format has them, whatever the image holds.
    What is transparent is laid on white, as viewers show it; the colours stored there are often garbage.
    """
    photograph = _decoded_photograph(data)
    if photograph is not None:
        return photograph
    with Image.open(io.BytesIO(data)) as image:
        if image.mode == "I;16":
            return np.stack([(np.asarray(image) >> 8).astype(np.uint8)] * 3, axis=-1)
        if image.has_transparency_data:
            ground = Image.new("RGBA", image.size, "white")
            return np.asarray(Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB"))
        return np.asarray(image.convert("RGB"))


def _decoded_photograph(data: bytes) -> UInt8[np.ndarray, "h w 3"] | None:
    """Pillow's pixels of a JPEG file in half of its time; None for other files, and for those it had better see to."""
    if not data.startswith(JPEG):
        return None
    try:
        colours = simplejpeg.decode_jpeg_header(data, strict=False)[2]
        # Of CMYK, Pillow knows who writes it inverted.
        return simplejpeg.decode_jpeg(data) if colours in ("YCbCr", "Gray") else None
    except ValueError:
        return None


def decode_labels(data: bytes) -> UInt8[np.ndarray, "h w"]:
    """Class indices of a palette or grey PNG, as stored (255 is ignored by every metric)."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def decode_map(data: bytes) -> Float[np.ndarray, "h w"]:
    """A saliency map in [0, 1], float32, from a grey PNG."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("L"), dtype=np.float32) / 255


def encode_map(saliency: Float[np.ndarray, "h w"]) -> bytes:
    """A saliency map in [0, 1] as an 8-bit grey PNG."""
    return encode_png((saliency * 255 + 0.5).clip(0, 255).astype(np.uint8))


def encode_png(pixels: UInt8[np.ndarray, "h w *c"]) -> bytes:
    """A lossless PNG of grey or RGB pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
