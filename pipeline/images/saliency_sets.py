"""Layout `saliency`: `<name>/images` and `<name>/masks` of one or more benchmarks, each of which becomes a split.

Image ids are `<name>__<file name without suffix>`. Without a folder `masks` a benchmark is images only; with one,
images without a mask are left out (PASCAL-S has masks for some images of VOC).
"""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from pipeline.errors import InputError
from pipeline.images.codecs import encode_png
from pipeline.images.folder import files_by_id, real_folder
from pipeline.images.packing import ImageFiles, read_image

CLASSES = ["background", "object"]


def read(source: Path) -> ImageFiles:
    """Images and masks of every benchmark below `source`."""
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    splits: dict[str, list[str]] = {}
    unpaired = 0
    for name in _names(source):
        own_images, own_masks, left_out = _read_benchmark(source, name)
        images |= own_images
        masks |= own_masks
        splits[name] = sorted(own_images)
        unpaired += left_out
    return ImageFiles(source, images, splits, masks, CLASSES, read_mask, unpaired)


def _names(source: Path) -> list[str]:
    found = sorted(path.name for path in real_folder(source).iterdir() if path.is_dir() and path.name[0] != ".")
    if not found or {"images", "masks", "all"} & set(found):
        raise InputError(
            f"{source} holds the folders {found}; the layout is <name>/images and <name>/masks,"
            " with a name other than `all`"
        )
    return found


def _read_benchmark(source: Path, name: str) -> tuple[dict[str, Path], dict[str, Path], int]:
    images = _named(files_by_id(source, name, "images"), name)
    folder = source / name / "masks"
    if not (folder.exists() or folder.is_symlink()):
        return images, {}, 0
    masks = _named(files_by_id(source, name, "masks"), name)
    both = images.keys() & masks.keys()
    if not both:
        raise InputError(f"{source / name}: no image has a mask of the same name; rename the files in {folder}")
    return {i: images[i] for i in both}, {i: masks[i] for i in both}, len(images.keys() ^ masks.keys())


def _named(files: dict[str, Path], name: str) -> dict[str, Path]:
    return {f"{name}__{image_id}": path for image_id, path in files.items()}


def read_mask(path: Path) -> tuple[bytes, UInt8[np.ndarray, "h w"]]:
    """A mask as 0 (background) and 1 (object), with its PNG; grey above 127 is object, or 1 where nothing is brighter.

    Raises InputError when the brightest pixel is between 2 and 127, for then it is neither a 0/1 nor a 0/255 mask,
    and for 16 bits, of which a 0/1 mask uses the lowest alone.
    """
    image = read_image(path)[1]
    if image.mode == "I;16":
        raise InputError(f"{path} has 16 bits a pixel; save the mask with 8 or 1")
    grey = np.asarray(image.convert("L"))
    brightest = int(grey.max())
    if 1 < brightest <= 127:
        raise InputError(f"{path} has no pixel above {brightest}; masks hold 0 and 255, or 0 and 1: convert it")
    mask = (grey > (127 if brightest > 1 else 0)).astype(np.uint8)
    return encode_png(mask), mask
