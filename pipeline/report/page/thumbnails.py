"""Pictures small enough to stand in a page by the hundred."""

import base64
import io

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from pipeline.report.figures import dimmed

QUALITY = 72


def thumbnail(pixels: UInt8[np.ndarray, "h w *c"], side: int) -> str:
    """Grey or RGB pixels as the data URI of a WebP file whose longer side is at most `side` pixels."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def map_thumbnail(saliency: Float[np.ndarray, "h w"], side: int) -> str:
    """A map in [0, 1], from black to white."""
    return thumbnail((saliency * 255 + 0.5).clip(0, 255).astype(np.uint8), side)


def object_thumbnail(image: UInt8[np.ndarray, "h w 3"], foreground: Bool[np.ndarray, "_ _"], side: int) -> str:
    """An object in its colours, and what is around it pale; the foreground may have another size than the image."""
    small = Image.fromarray(image)
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    mask = Image.fromarray(foreground).resize(small.size, Image.Resampling.NEAREST)
    return thumbnail(dimmed(np.asarray(small), np.asarray(mask)), side)
