"""Label maps in the colours of PASCAL VOC."""

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def voc_palette() -> UInt8[np.ndarray, "256 3"]:
    """RGB of every label: the bits of a label dealt out in turn to red, green and blue, highest value first."""
    labels = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for step in range(8):
        for channel in range(3):
            colours[:, channel] |= ((labels >> (3 * step + channel) & 1) << (7 - step)).astype(np.uint8)
    return colours


def encode_labels(labels: UInt8[np.ndarray, "h w"]) -> bytes:
    """A palette PNG whose pixel values are the labels, shown in the colours of PASCAL VOC."""
    image = Image.fromarray(labels)
    image.putpalette(voc_palette().ravel().tolist())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
