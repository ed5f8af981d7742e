"""Layout `coco`: COCO 2017 with its panoptic labels as classes of PASCAL VOC (MaskContrast section 4.1, Table 5).

`train2017/`, `val2017/`, and `annotations/` with `panoptic_train2017.json`, `panoptic_train2017/` and the same for val
(Kirillov et al., Panoptic Segmentation, CVPR 2019). Train's images are the splits `trainaug` and `train`, since COCO
labels all of them. The paper does not say what becomes of the categories that VOC lacks: here `other_things` decides
about things, and stuff is background. Pixels without a segment are ignored. A crowd is of the class that it shows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Int64, UInt8

from pipeline.errors import InputError
from pipeline.images.folder import files_by_id, listed_files, real_folder
from pipeline.images.packing import IGNORED, ImageFiles, read_image
from pipeline.images.palette import encode_labels

SPLITS = {"trainaug": "train2017", "train": "train2017", "val": "val2017"}
VOC_NAMES = {
    "airplane": "aeroplane",
    "couch": "sofa",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "tv": "tvmonitor",
}
# A pixel's segment is red + 256 green + 65536 blue; 0 is none.
BASE = np.array([1, 256, 256**2], dtype=np.int64)

OtherThings = Literal["background", "ignore"]
Segments = Int64[np.ndarray, "m 2"]


class Category(NamedTuple):
    """What a panoptic JSON says of a category: its name there, and whether it is a thing."""

    name: str
    isthing: bool


@dataclass(frozen=True)
class Annotations:
    """A file `panoptic_<part>.json`: categories by id, and by id of the image its segments, each with its category."""

    path: Path
    categories: dict[int, Category]
    segments: dict[str, Segments]


def read(source: Path, classes: list[str], other_things: OtherThings) -> ImageFiles:
    """The images and panoptic PNGs of the lists that exist; a listed image without either is at fault.

    InputError without any list, and for a class that is no category.
    """
    parts = read_parts(source)
    images: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    faults: dict[str, str] = {}
    for part, annotations in parts.items():
        for found, below in ((images, (part,)), (labels, ("annotations", f"panoptic_{part}"))):
            files = files_by_id(source, *below)
            present, missing = listed_files(annotations.path, annotations.segments, source.joinpath(*below), files)
            found |= present
            faults = missing | faults
    splits = {name: sorted(parts[part].segments) for name, part in SPLITS.items() if part in parts}
    reader = PanopticReader(list(parts.values()), classes, other_things)
    return ImageFiles(source, images, splits, labels, classes, reader.read, faults=faults)


def read_parts(source: Path) -> dict[str, Annotations]:
    """The annotations of train2017 and val2017, as far as they are there; InputError when neither is."""
    folder = real_folder(source, "annotations")
    paths = {part: folder / f"panoptic_{part}.json" for part in dict.fromkeys(SPLITS.values())}
    parts = {part: read_annotations(path) for part, path in paths.items() if path.exists()}
    if not parts:
        raise InputError(f"{folder} holds none of {', '.join(path.name for path in paths.values())}; add one")
    return parts


def read_annotations(path: Path) -> Annotations:
    """Read a panoptic JSON, whose images have their number as name; InputError when it is of another structure."""
    try:
        content = json.loads(path.read_bytes(), object_hook=_essentials)
        categories = {found["id"]: Category(found["name"], bool(found["isthing"])) for found in content["categories"]}
        return Annotations(path, categories, dict(content["annotations"]))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is truncated or no panoptic annotation of COCO ({error}); fetch it again") from None


def _essentials(found: dict[str, Any]) -> Any:
    # At once, since a million segments as dictionaries would take gigabytes.
    if "category_id" in found:
        return found["id"], found["category_id"]
    if "segments_info" in found:
        return Path(found["file_name"]).stem, np.array(found["segments_info"], dtype=np.int64).reshape(-1, 2)
    return found


class PanopticReader:
    """Reads the panoptic PNGs of all parts as class indices."""

    def __init__(self, parts: list[Annotations], classes: list[str], other_things: OtherThings) -> None:
        self._origin = {image_id: part for part in parts for image_id in part.segments}
        categories = {number: category for part in parts for number, category in part.categories.items()}
        self._classes = classes_of(categories, classes, other_things)

    def read(self, path: Path) -> tuple[bytes, UInt8[np.ndarray, "h w"]]:
        """Class indices of a panoptic PNG, and their PNG, in VOC's colours.

        InputError for a file that is not in colour, for a segment that is not listed, and for an unknown category.
        """
        image = read_image(path)[1]
        if image.mode != "RGB":
            raise InputError(f"{path} is stored as {image.mode}, not as the colours of a panoptic PNG; fetch it again")
        annotations = self._origin[path.stem]
        ids, categories = annotations.segments[path.stem].T
        unknown = [number for number in categories.tolist() if number not in annotations.categories]
        if unknown:
            raise InputError(
                f"{annotations.path} gives {path.stem} a segment of category {unknown[0]}, which is none of its"
                f" {len(annotations.categories)}; fetch it again"
            )
        classes = np.array([self._classes[number] for number in categories.tolist()], dtype=np.uint8)
        labels = classes_of_segments(np.asarray(image).astype(np.int64) @ BASE, ids, classes)
        if labels is None:
            raise InputError(f"{path} holds a segment that {annotations.path} does not list; fetch both again")
        return encode_labels(labels), labels


def classes_of_segments(
    pixels: Int64[np.ndarray, "h w"], ids: Int64[np.ndarray, " m"], classes: UInt8[np.ndarray, " m"]
) -> UInt8[np.ndarray, "h w"] | None:
    """The class of every pixel by its segment, ignored where there is none; None for a segment not among `ids`."""
    order = np.argsort(ids)
    known, values = np.append(0, ids[order]), np.append(np.uint8(IGNORED), classes[order])
    places = np.searchsorted(known, pixels).clip(max=len(known) - 1)
    return values[places] if np.array_equal(known[places], pixels) else None


def classes_of(categories: Mapping[int, Category], classes: list[str], other_things: OtherThings) -> dict[int, int]:
    """The class index of every category by its id; InputError for a class, but for the first, that is no category."""
    names = {number: VOC_NAMES.get(category.name, category.name) for number, category in categories.items()}
    strange = sorted(set(classes[1:]) - set(names.values()))
    if strange:
        raise InputError(f"classes name {strange[0]!r}, which is no category of COCO; correct it in params.yaml")
    other = {True: IGNORED if other_things == "ignore" else 0, False: 0}
    return {
        number: classes.index(name) if name in classes[1:] else other[categories[number].isthing]
        for number, name in names.items()
    }
