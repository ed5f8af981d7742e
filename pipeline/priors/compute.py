"""One prior of one image or of a whole packed set."""

from collections.abc import Iterator
from concurrent.futures import Executor
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from pipeline.errors import InputError
from pipeline.images.codecs import decode_image, encode_map
from pipeline.packed import Packed
from pipeline.params import ComputePriors
from pipeline.priors.dsr import dsr
from pipeline.priors.frame import Prior, without_frame
from pipeline.priors.hs import hs
from pipeline.priors.mc import mc
from pipeline.priors.rbd import rbd


def named_prior(name: str, settings: ComputePriors) -> Prior:
    """The prior `name` with its parameters; InputError for a name that is none."""
    priors: dict[str, Prior] = {
        "rbd": lambda image: rbd(image, settings.rbd),
        "dsr": lambda image: dsr(image, settings.dsr),
        "mc": lambda image: mc(image, settings.mc),
        "hs": lambda image: hs(image, settings.hs),
    }
    if name not in priors:
        raise InputError(f"there is no prior {name!r}; the priors are {', '.join(priors)}")
    return priors[name]


def compute_prior(image: UInt8[np.ndarray, "h w 3"], name: str, settings: ComputePriors) -> Float32[np.ndarray, "h w"]:
    """The prior in [0, 1] at the size of `image`, computed with its longest side reduced to `max_side`."""
    prior = named_prior(name, settings)
    reduced = reduce_to(image, settings.max_side)
    saliency = without_frame(reduced, prior) if settings.remove_frame else prior(reduced)
    height, width = image.shape[:2]
    return np.array(Image.fromarray(saliency).resize((width, height), Image.Resampling.BILINEAR))


def reduce_to(image: UInt8[np.ndarray, "h w 3"], max_side: int) -> UInt8[np.ndarray, "small_h small_w 3"]:
    """The image with its longest side at most `max_side` (antialiased bilinear); never enlarged."""
    height, width = image.shape[:2]
    scale = min(1.0, max_side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def prior_maps(
    images: Path, name: str, settings: ComputePriors, pool: Executor
) -> tuple[int, Iterator[tuple[str, bytes]]]:
    """Number of images in a packed set; id and 8-bit PNG of the prior of each, in order of id, computed in `pool`."""
    named_prior(name, settings)  # a wrong name is refused here, not in a worker
    ids = Packed(images, "images").ids
    maps = pool.map(partial(encoded_prior, images, name, settings), range(len(ids)), chunksize=4)
    return len(ids), zip(ids, maps, strict=True)


def encoded_prior(images: Path, name: str, settings: ComputePriors, i: int) -> bytes:
    """The prior of image i of a packed set as an 8-bit PNG; whatever goes wrong says at which image."""
    packed = opened(images)
    try:
        return encode_map(compute_prior(decode_image(packed[i]), name, settings))
    except Exception as error:
        error.add_note(f"This was {name} of image {packed.ids[i]} in {images}.")
        raise


@lru_cache(maxsize=1)
def opened(images: Path) -> Packed:
    """The packed set, opened once in every process of the pool."""
    return Packed(images, "images")
