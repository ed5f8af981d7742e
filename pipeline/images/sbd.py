"""SBD, whose labels make 1,464 images of VOC's train into the 10,582 of train_aug (MaskContrast section 4.1).

Hariharan et al., Semantic Contours from Inverse Detectors, ICCV 2011. Its folder has `cls/<id>.mat` and the lists
`train.txt` and `val.txt`, which are its own and share images with VOC's val. Images lie there too; VOC's are the same.
"""

import hashlib
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from pipeline.errors import InputError
from pipeline.images.codecs import encode_png
from pipeline.images.folder import real_folder

PLACES = (("SBD", "dataset"), ("SBD", "benchmark_RELEASE", "dataset"), ("benchmark_RELEASE", "dataset"))
TRAINAUG_IMAGES = 10_582
TRAINAUG_SHA256 = "d1326bd532648d73bc4b1bd275434eba81930982dc7401a65a8cecb26c028e24"
# What scipy raises for a file cut short, for other bytes, and for a structure of other fields.
NO_STRUCTURE = (MatReadError, OSError, ValueError, TypeError, KeyError, IndexError, NotImplementedError, zlib.error)


def find_sbd(source: Path) -> tuple[str, ...] | None:
    """Where SBD's folder `dataset` lies below `source`, as parts of a path; None where it is not.

    InputError for a link on the way there, which DVC would not look into.
    """
    found = next((place for place in PLACES if source.joinpath(*place).is_dir()), None)
    if found:
        real_folder(source, *found)
    return found


def trainaug(voc_train: Collection[str], voc_val: Collection[str], sbd: Collection[str]) -> list[str]:
    """The ids of train_aug: VOC's train and all of SBD without VOC's val, sorted."""
    return sorted({*voc_train, *sbd} - {*voc_val})


def compared_with_published(ids: Collection[str]) -> str:
    """What there is to say about `ids` as train_aug; a list of another length is taken for a part of it, or more.

    InputError when they are as many as the published list has, but others.
    """
    if len(ids) != TRAINAUG_IMAGES:
        more = "more" if len(ids) > TRAINAUG_IMAGES else "fewer"
        return f"trainaug has {len(ids)} images, {abs(len(ids) - TRAINAUG_IMAGES)} {more} than the published list"
    found = sha256_of_list(ids)
    if found != TRAINAUG_SHA256:
        raise InputError(
            f"trainaug has {TRAINAUG_IMAGES} images, as the published list does, but its sha256 is {found} and not"
            f" {TRAINAUG_SHA256}; fetch the lists of VOC and SBD again"
        )
    return f"trainaug is the published list of {TRAINAUG_IMAGES} images"


def sha256_of_list(ids: Collection[str]) -> str:
    """The sha256 of a split list: its ids sorted, one a line, with a last newline."""
    return hashlib.sha256("".join(f"{image_id}\n" for image_id in sorted(ids)).encode()).hexdigest()


def read_segmentation(path: Path) -> tuple[bytes, UInt8[np.ndarray, "h w"]]:
    """The class indices of a file `cls/<id>.mat`, and the same as PNG; SBD ignores no pixel.

    InputError when the file holds no `GTcls.Segmentation` of bytes.
    """
    try:
        indices = loadmat(path, variable_names=["GTcls"])["GTcls"][0, 0]["Segmentation"]
    except NO_STRUCTURE:
        raise InputError(f"{path} is truncated or no file of SBD's folder cls; fetch it again or take it out") from None
    if not isinstance(indices, np.ndarray) or indices.dtype != np.uint8 or indices.ndim != 2:
        raise InputError(f"{path} holds no class index of 8 bits for every pixel; fetch it again or take it out")
    return encode_png(indices), indices
