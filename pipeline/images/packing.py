"""Images and label maps still lying in files: checked one at a time, and packed into two containers.

Images keep their bytes as found; `codecs.decode_image` makes RGB of every kind that is let in. An EXIF orientation is
not applied, here or later: label maps are drawn on the pixels as stored, as VOC's are.
"""

import io
import re
import struct
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import ExifTags, Image

from pipeline.errors import InputError
from pipeline.packed import replacing, write_packed
from pipeline.progress import track

IGNORED = 255
# What a file may hold, whatever its suffix; all of them decode to 8 or 16 bits. Of an animation the first frame counts.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError)
# As many as the largest camera sensors in telephones have; one copy of the decoded pixels is then 600 MB.
MOST_PIXELS = 200_000_000
TURNED = (
    "%d images are stored otherwise than viewers show them, and taken as stored: an EXIF orientation is not applied;"
    " turn photographs upright before, as `exiftran -ai *.jpg` does"
)


def read_indices(path: Path) -> tuple[bytes, UInt8[np.ndarray, "h w"]]:
    """The bytes of a label map as found, and its class indices; InputError when it does not hold indices."""
    data, image = read_image(path)
    if image.mode not in ("P", "L"):
        raise InputError(
            f"{path} is stored as {image.mode}, not as class indices; save it as an 8-bit palette or grey PNG"
        )
    return data, np.asarray(image)


@dataclass(frozen=True)
class ImageFiles:
    """What a reader found below `source`: image and label files by id, and the ids of every split.

    Every id stands in a split; the split `all` is never recorded. `read_label` gives, for a label file, the bytes
    to store and the class indices they decode to. `unpaired` counts images and masks left out for want of the other.
    `faults` says in one sentence each why listed ids lack an image or label file. What has no
    label map is not scored where the set is `partly_labelled`; elsewhere readers name it in `faults`.
    """

    source: Path
    images: Mapping[str, Path]
    splits: Mapping[str, list[str]]
    labels: Mapping[str, Path] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    read_label: Callable[[Path], tuple[bytes, UInt8[np.ndarray, "h w"]]] = read_indices
    unpaired: int = 0
    faults: Mapping[str, str] = field(default_factory=dict)
    partly_labelled: bool = False


@dataclass(frozen=True)
class Checked:
    """What is left of `files` when all were decoded, each without fault.

    `shapes`: height and width of every image, by ascending id; `modes`: how many images have each of Pillow's pixel
    modes (`I;16`: 16 bits); `skipped`: the reason for every image that was left out, by ascending id; `turned`: how
    many are stored otherwise than viewers show them.
    """

    files: ImageFiles
    shapes: dict[str, tuple[int, int]]
    modes: dict[str, int]
    skipped: dict[str, str]
    turned: int


def limited(files: ImageFiles, limit: Mapping[str, int]) -> ImageFiles:
    """At most `limit[split]` images of each split, evenly spaced over its sorted ids; 0 or no entry keeps all.

    An image stays when any split keeps it. A limit for an unknown split raises InputError.
    """
    unknown = sorted(limit.keys() - files.splits.keys())
    if unknown:
        raise InputError(
            f"limit names a split {unknown[0]!r} that {files.source} does not have; it has {', '.join(files.splits)}"
        )
    splits = {name: _evenly_spaced(sorted(ids), limit.get(name, 0)) for name, ids in files.splits.items()}
    return _only(replace(files, splits=splits), set().union(*splits.values()))


def _only(files: ImageFiles, kept: Collection[str]) -> ImageFiles:
    images, labels, faults = (
        {image_id: found[image_id] for image_id in found if image_id in kept}
        for found in (files.images, files.labels, files.faults)
    )
    splits = {name: [image_id for image_id in ids if image_id in kept] for name, ids in files.splits.items()}
    return replace(files, images=images, labels=labels, faults=faults, splits=splits)


def _evenly_spaced(ids: list[str], most: int) -> list[str]:
    return [ids[i * len(ids) // most] for i in range(most)] if 0 < most < len(ids) else ids


def pack(files: ImageFiles, images: Path, labels: Path, on_error: Literal["stop", "skip"]) -> Checked:
    """Check all files, then write the containers `images` and `labels`, both or none; raises as `check` does."""
    checked = check(files, on_error)
    files = checked.files
    heights, widths = ([shape[axis] for shape in checked.shapes.values()] for axis in (0, 1))
    splits = {name: ids for name, ids in files.splits.items() if name != "all"}
    # The images wait under their temporary name until the labels are in place too.
    with replacing(images) as temporary:
        found = ((image_id, files.images[image_id].read_bytes()) for image_id in track(checked.shapes, "packing"))
        columns = {"height": heights, "width": widths}
        write_packed(temporary, found, "images", splits, {"skipped": checked.skipped}, columns)
        found = ((image_id, files.read_label(path)[0]) for image_id, path in sorted(files.labels.items()))
        partly = {"partly": True} if files.partly_labelled else {}
        write_packed(labels, found, "labels", metadata={"classes": files.classes, **partly})
    return checked


def check(files: ImageFiles, on_error: Literal["stop", "skip"]) -> Checked:
    """Decode every image and its label map, one at a time.

    An image is at fault when it is unreadable or too large, its id is no line of UTF-8, or its label map is missing or
    unreadable, differs in size or holds a value that is no class. With `stop` the first such image raises InputError,
    which names the file; with `skip` it is left out together with its label map.
    InputError also when nothing is left of a split, or when no label map holds any class beside background.
    """
    shapes: dict[str, tuple[int, int]] = {}
    modes: Counter[str] = Counter()
    skipped: dict[str, str] = {}
    turned = 0
    present = np.zeros(256, dtype=bool)
    # Faults that the names alone tell come first, before the long work.
    for image_id in track([*sorted(files.faults), *sorted(files.images.keys() - files.faults.keys())], "images"):
        try:
            image = _image_of(files, image_id)
            if image_id in files.labels:
                present |= _classes_of(files, image_id, (image.height, image.width))
        except InputError as error:
            if on_error == "stop":
                raise
            skipped[image_id] = str(error)
        else:
            shapes[image_id] = image.height, image.width
            modes[image.mode] += 1
            turned += is_turned(image)
    kept = _only(files, shapes)
    _require_content(files, kept, skipped, present)
    return Checked(kept, shapes, dict(sorted(modes.items())), dict(sorted(skipped.items())), turned)


def _require_content(files: ImageFiles, kept: ImageFiles, skipped: Mapping[str, str], present: np.ndarray) -> None:
    for name, ids in files.splits.items():
        if ids and not kept.splits[name]:
            raise InputError(f"{files.source}: nothing is left of split {name}; {skipped[ids[0]]}")
    if kept.labels and not present[1 : len(files.classes)].any():
        raise InputError(
            f"{files.source}: all label maps hold only background and {IGNORED};"
            " masks of 0 and 255 belong to the layout `saliency`"
        )


def _image_of(files: ImageFiles, image_id: str) -> Image.Image:
    if image_id in files.faults:
        raise InputError(files.faults[image_id])
    path = files.images[image_id]
    # Lone surrogates stand for bytes that are no UTF-8; lists have one id a line.
    if "\n" in image_id or re.search("[\ud800-\udfff]", image_id):
        raise InputError(f"{str(path)!a}: the name is no line of UTF-8; rename the file")
    return read_image(path)[1]


def _classes_of(files: ImageFiles, image_id: str, shape: tuple[int, int]) -> Bool[np.ndarray, " 256"]:
    path = files.labels[image_id]
    _, labels = files.read_label(path)
    if labels.shape != shape:
        raise InputError(
            f"{path} is {_size(labels.shape)} but its image is {_size(shape)}"
            " (EXIF orientation is not applied); give both the same size"
        )
    present = np.bincount(labels.ravel(), minlength=256) > 0
    _check_classes(present, files.classes, path)
    return present


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _check_classes(present: np.ndarray, classes: list[str], path: Path) -> None:
    outside = np.flatnonzero(present[len(classes) : IGNORED])
    if len(outside):
        raise InputError(
            f"{path} holds the value {len(classes) + outside[0]}, but there are {len(classes)} classes"
            f" and {IGNORED}; correct the label map or the classes in params.yaml"
        )


def is_turned(image: Image.Image) -> bool:
    """Whether an EXIF orientation has viewers show a photograph otherwise than its pixels are stored."""
    if image.format == "PNG":  # which viewers do not turn, and of which Pillow would decode all pixels
        return False
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1)
    except (*UNREADABLE, struct.error):
        return False


def read_image(path: Path) -> tuple[bytes, Image.Image]:
    """A file's bytes and the fully decoded image; InputError when it is unreadable or has too many pixels."""
    try:
        data = path.read_bytes()
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        too_large = image.width * image.height > MOST_PIXELS
        if not too_large:
            image.load()
    except UNREADABLE:
        raise InputError(f"{path} is unreadable, truncated or no image; replace it or take it out") from None
    if too_large:
        raise InputError(
            f"{path} is {image.width}x{image.height}, more than {MOST_PIXELS // 10**6} million pixels; reduce it"
        )
    return data, image
