"""Masks that lie ready as image files, one an image under its id: those of the authors, your own, or exported ones."""

import json
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from pipeline.errors import InputError
from pipeline.images.packing import read_image

PROVENANCE = "metadata.json"
BRIGHT = 128


def read_objects(path: Path) -> UInt8[np.ndarray, "h w"]:
    """The object of every pixel, 0 for none, from a file of one of these kinds, told apart by its values.

    - Nothing above 127: objects numbered 1, 2, 3 and so on, none left out; a mask of 0 and 1 is the object 1.
    - Brighter pixels: one object, where the value is above 127 (0/255, grey edges, compression noise).

    Of several channels the first is read. The colours of a palette do not count, unless all are grey.
    Raises InputError for an unreadable file, for 16 bits, and for values of neither kind: a gap in the numbers,
    or 255 beside them, which label maps have where nothing is known.
    """
    pixels = _first_channel(path)
    values = np.unique(pixels[pixels > 0])
    numbers, bright = values[values < BRIGHT], values[values >= BRIGHT].tolist()
    counted = numbers.tolist() == list(range(1, len(numbers) + 1))
    if counted and not bright:
        return pixels
    if bright and not (counted and len(numbers) and bright == [255]):
        return (pixels >= BRIGHT).astype(np.uint8)
    shown = ", ".join(map(str, values[:4])) + (", ..." if len(values) > 4 else "")
    raise InputError(
        f"{path} holds the values {shown} beside 0; masks hold 0 and 255, 0 and 1, or object numbers"
        " from 1 to at most 127 without gaps: convert it"
    )


def _first_channel(path: Path) -> UInt8[np.ndarray, "h w"]:
    image = read_image(path)[1]
    if image.mode == "I;16":
        raise InputError(f"{path} has 16 bits a pixel; save the mask with 8 or 1")
    colours = np.asarray(image.convert("RGB"))
    if image.mode == "P" and (colours == colours[..., :1]).all():
        return colours[..., 0]
    pixels = np.asarray(image).astype(np.uint8)
    return pixels if pixels.ndim == 2 else pixels[..., 0]


def read_provenance(folder: Path) -> dict[str, object]:
    """What `metadata.json` in the folder says about its masks; nothing when there is none.

    Raises InputError when it does not hold a JSON object.
    """
    path = folder / PROVENANCE
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object; write one as `python -m pipeline.masks.export` does")
    return content
