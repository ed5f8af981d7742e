"""Images and label maps still lying in files: checked one at a time, and packed into two containers.

Images keep their bytes as found. An EXIF orientation is not applied, here or later: label maps are drawn on the
pixels as stored, as VOC's are.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from pipeline.errors import InputError
from pipeline.packed import replacing, write_packed
from pipeline.progress import track

IGNORED = 255
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


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
    """

    source: Path
    images: Mapping[str, Path]
    splits: Mapping[str, list[str]]
    labels: Mapping[str, Path] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    read_label: Callable[[Path], tuple[bytes, UInt8[np.ndarray, "h w"]]] = read_indices
    unpaired: int = 0


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
    kept = set().union(*splits.values())
    images, labels = ({i: path for i, path in paths.items() if i in kept} for paths in (files.images, files.labels))
    return replace(files, images=images, labels=labels, splits=splits)


def _evenly_spaced(ids: list[str], most: int) -> list[str]:
    return [ids[i * len(ids) // most] for i in range(most)] if 0 < most < len(ids) else ids


def pack(files: ImageFiles, images: Path, labels: Path) -> None:
    """Write the containers `images` and `labels`, in one pass over each kind of file; both or none.

    InputError names the file when an image is unreadable, its id is not ASCII, a label map differs in size from its
    image or holds a value that is no class, and when no label map holds any class beside background.
    """
    for image_id, path in files.images.items():
        if not image_id.isascii():
            raise InputError(f"{path}: image ids are ASCII, but this one is {image_id!r}; rename the file")
    sizes: dict[str, list[int]] = {"height": [], "width": []}
    splits = {name: ids for name, ids in files.splits.items() if name != "all"}
    # The images wait under their temporary name until the labels are in place too.
    with replacing(images) as temporary:
        write_packed(temporary, _image_entries(files, sizes), "images", splits, columns=sizes)
        shapes = dict(zip(sorted(files.images), zip(sizes["height"], sizes["width"], strict=True), strict=True))
        write_packed(labels, _label_entries(files, shapes), "labels", metadata={"classes": files.classes})


def _image_entries(files: ImageFiles, sizes: dict[str, list[int]]) -> Iterator[tuple[str, bytes]]:
    for image_id in track(sorted(files.images), "images"):
        data, image = read_image(files.images[image_id])
        sizes["height"].append(image.height)
        sizes["width"].append(image.width)
        yield image_id, data


def _label_entries(files: ImageFiles, shapes: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, bytes]]:
    present = np.zeros(256, dtype=bool)
    for image_id in track(sorted(files.labels), "label maps"):
        path = files.labels[image_id]
        data, labels = files.read_label(path)
        if labels.shape != shapes[image_id]:
            raise InputError(
                f"{path} is {_size(labels.shape)} but its image is {_size(shapes[image_id])}"
                " (EXIF orientation is not applied); give both the same size"
            )
        present |= np.bincount(labels.ravel(), minlength=256) > 0
        _check_classes(present, files.classes, path)
        yield image_id, data
    if files.labels and not present[1 : len(files.classes)].any():
        raise InputError(
            f"{files.source}: all label maps hold only background and {IGNORED};"
            " masks of 0 and 255 belong to the layout `saliency`"
        )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _check_classes(present: np.ndarray, classes: list[str], path: Path) -> None:
    outside = np.flatnonzero(present[len(classes) : IGNORED])
    if len(outside):
        raise InputError(
            f"{path} holds the value {len(classes) + outside[0]}, but there are {len(classes)} classes"
            f" and {IGNORED}; correct the label map or the classes in params.yaml"
        )


def read_image(path: Path) -> tuple[bytes, Image.Image]:
    """A file's bytes and the fully decoded image; InputError when it is unreadable or has more than 8 bits."""
    try:
        data = path.read_bytes()
        image = Image.open(io.BytesIO(data))
        image.load()
    except UNREADABLE:
        raise InputError(f"{path} is unreadable, truncated or no image; replace it or take it out") from None
    if image.mode[0] in "IF":
        raise InputError(f"{path} has {image.mode} pixels; save it with 8 bits a channel")
    return data, image
