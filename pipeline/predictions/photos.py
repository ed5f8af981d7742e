"""Images to predict on: found in folders, read one at a time, resized for the network.

They are read as `pack_images` and the stages read theirs, so that the same file gives the same result: an EXIF
orientation is not applied, and the first frame of an animation counts.
"""

import io
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from pipeline.errors import InputError
from pipeline.images.codecs import decode_image
from pipeline.images.folder import SUFFIXES
from pipeline.images.packing import FORMATS, MOST_PIXELS, UNREADABLE, is_turned

# The longest side of an overlay in pixels: enough for the eye, and an image of 100 megapixels need not be kept.
PREVIEW = 1024


class Photo(NamedTuple):
    """An image file, and its path as tables have it: below the folder that was named, or its name alone."""

    path: Path
    name: str

    @property
    def stem(self) -> str:
        """The name without suffix."""
        return self.name.rpartition(".")[0]

    @property
    def image_id(self) -> str:
        """As in layout `folder`: the id of `street/a.jpg` is `street__a`."""
        return self.stem.replace("/", "__")


class Opened(NamedTuple):
    """A decoded image: what the network sees of it, a small one to draw on, and whether viewers would turn it."""

    photo: Photo
    height: int
    width: int
    tiles: UInt8[np.ndarray, "r c s s 3"]
    preview: UInt8[np.ndarray, "h w 3"]
    turned: bool


class Skipped(NamedTuple):
    """An image that could not be read, and why, in one sentence."""

    photo: Photo
    reason: str


def find_photos(inputs: Sequence[Path], out: Path) -> list[Photo]:
    """All images among `inputs` and below those that are folders, but for `out`, sorted in each by name.

    Hidden files and other suffixes in folders are passed over. InputError for an input that is not there, when there is
    no image, and for two with one id, of which one would replace the other in what is written.
    """
    found: dict[str, Photo] = {}
    for source in inputs:
        for photo in _photos_of(source, out.resolve()):
            other = found.setdefault(photo.image_id, photo)
            if other is not photo:
                raise InputError(
                    f"{photo.path} and {other.path} have the same id {photo.image_id}; rename or remove one"
                )
    if not found:
        raise InputError(f"{', '.join(map(str, inputs))}: no image here ({', '.join(SUFFIXES)}); name others")
    return list(found.values())


def _photos_of(source: Path, out: Path) -> Iterator[Photo]:
    if source.is_file():
        yield Photo(source, source.name)
    elif not source.is_dir():
        raise InputError(f"{source} is neither an image nor a folder; check the path")
    for root, folders, names in os.walk(source):
        here = Path(root)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and (here / name).resolve() != out)
        for name in sorted(names):
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                yield Photo(here / name, (here / name).relative_to(source).as_posix())


def open_photo(photo: Photo, size: int, tile_pixels: int) -> Opened | Skipped:
    """Decode an image and resize it to a grid of tiles of `size` pixels a side, as `grid_of` says."""
    try:
        pixels, turned = _decoded(photo.path)
    except InputError as error:
        return Skipped(photo, str(error))
    height, width = pixels.shape[:2]
    rows, columns = grid_of(height, width, tile_pixels)
    image = Image.fromarray(pixels)
    resized = np.array(image.resize((columns * size, rows * size), Image.Resampling.BILINEAR))
    tiles = np.ascontiguousarray(resized.reshape(rows, size, columns, size, 3).swapaxes(1, 2))
    image.thumbnail((PREVIEW, PREVIEW))
    return Opened(photo, height, width, tiles, np.array(image), turned)


def grid_of(height: int, width: int, tile_pixels: int) -> tuple[int, int]:
    """Rows and columns of tiles, about square, of at most `tile_pixels` pixels of the image; 0 is one tile always."""
    if not tile_pixels or height * width <= tile_pixels:
        return 1, 1
    side = math.sqrt(tile_pixels)
    return math.ceil(height / side), math.ceil(width / side)


def _decoded(path: Path) -> tuple[UInt8[np.ndarray, "h w 3"], bool]:
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            (width, height), turned = image.size, is_turned(image)
        pixels = decode_image(data) if width * height <= MOST_PIXELS else None
    except UNREADABLE:
        raise InputError(f"{path} is unreadable, truncated or no image; replace it or take it out") from None
    if pixels is None:
        raise InputError(f"{path} is {width}x{height}, more than {MOST_PIXELS // 10**6} million pixels; reduce it")
    return pixels, turned
