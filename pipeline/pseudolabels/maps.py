"""Images and maps as small squares, and maps back to the size of their images in a packed file."""

from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.images.codecs import encode_map
from pipeline.images.datasets import ImageSet, MapSet
from pipeline.networks.upsampling import upsample
from pipeline.packed import write_packed
from pipeline.progress import track
from pipeline.scratch import IN_MEMORY, Scratch


def square_images(images: ImageSet, size: int, scratch: Scratch = IN_MEMORY) -> UInt8[Tensor, "n 3 s s"]:
    """All images as RGB squares, whatever their aspect."""
    squares = ([to_bytes(images.squared(i, size))[None]] for i in track(range(len(images)), "images"))
    return scratch.gather(len(images), squares)[0]


def square_maps(maps: MapSet, size: int, scratch: Scratch = IN_MEMORY) -> UInt8[Tensor, "n s s"]:
    """All maps as squares, in 255ths."""
    squares = ([to_bytes(maps.squared(i, size))[None]] for i in track(range(len(maps)), "maps"))
    return scratch.gather(len(maps), squares)[0]


def to_bytes(values: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Values in [0, 1] rounded to 255ths."""
    return (values * 255).round().to(torch.uint8)


def write_maps(path: Path, images: ImageSet, maps: Float[Tensor, "n s s"]) -> int:
    """Write square maps in [0, 1] as grey PNGs of their images' original sizes; returns how many there were."""

    def entries() -> Iterator[tuple[str, bytes]]:
        for image_id, size, square in zip(images.ids, images.sizes.tolist(), maps, strict=True):
            yield image_id, encode_map(upsample(square[None, None], tuple(size))[0, 0].numpy())

    return write_packed(path, entries(), "maps")
