"""What was predicted of one image, and the files and rows that it becomes.

A folder of predictions holds `labels/` (palette PNG, the cluster of every pixel), `masks/` (0 and 255) and `overlays/`
(JPEG, 1024 pixels a side at most), each with the folders of the images in it, and `objects.csv` and `names.csv`.
"""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int32, UInt8
from PIL import Image
from scipy import ndimage

from pipeline.cluster_names import ClusterNames
from pipeline.images.codecs import encode_png
from pipeline.images.contact_sheet import overlaid
from pipeline.images.nearest import nearest
from pipeline.images.palette import encode_labels
from pipeline.packed import replacing
from pipeline.predictions.photos import Opened, Photo

COLUMNS = (
    *("image", "object", "cluster", "name", "confidence", "area"),
    *("box_x", "box_y", "box_width", "box_height"),
)


class PredictedObject(NamedTuple):
    """One object: its number in `Prediction.regions`, its cluster, area and box (x, y, width, height) in pixels."""

    number: int
    cluster: int
    confidence: float
    area: int
    box: tuple[int, int, int, int]


class Prediction(NamedTuple):
    """One image with its objects; `regions` are their numbers, 0 in the background, at the size of the image."""

    opened: Opened
    regions: Int32[np.ndarray, "h w"]
    objects: list[PredictedObject]

    def mask(self, found: PredictedObject) -> Bool[np.ndarray, "h w"]:
        """The pixels of one object."""
        return self.regions == found.number

    def painted(self, values: Mapping[int, int]) -> UInt8[np.ndarray, "h w"]:
        """The map in which every object has the value of its number, and what has none is 0."""
        table = np.zeros(int(self.regions.max(initial=0)) + 1, dtype=np.uint8)
        for number, value in values.items():
            table[number] = value
        return table[self.regions]


def at_original_size(
    opened: Opened, regions: Int32[np.ndarray, "_ _"], clusters: list[int], confidences: list[float]
) -> Prediction:
    """The prediction for an image of which the network's square says `regions`; nearest neighbours, as in scoring.

    Objects of which no pixel is left in a small image are left out.
    """
    full = nearest(regions, (opened.height, opened.width)).astype(np.int32)
    areas = np.bincount(full.ravel(), minlength=len(clusters) + 1)
    boxes = ndimage.find_objects(full, max_label=len(clusters))
    objects = [
        PredictedObject(i, cluster, confidence, int(areas[i]), _box(*box))
        for i, (cluster, confidence, box) in enumerate(zip(clusters, confidences, boxes, strict=True), start=1)
        if box is not None
    ]
    return Prediction(opened, full, objects)


def _box(rows: slice, columns: slice) -> tuple[int, int, int, int]:
    return columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start


def save_pictures(folder: Path, prediction: Prediction) -> None:
    """Write label map, mask and overlay."""
    labels = prediction.painted({found.number: found.cluster for found in prediction.objects})
    opened = prediction.opened
    small = nearest(labels, opened.preview.shape[:2])
    overlay = overlaid(Image.fromarray(opened.preview), Image.fromarray(small))
    _write(folder / "labels" / f"{opened.photo.stem}.png", encode_labels(labels))
    _write(folder / "masks" / f"{opened.photo.stem}.png", encode_png(np.where(labels > 0, 255, 0).astype(np.uint8)))
    path = overlay_of(folder, opened.photo)
    path.parent.mkdir(parents=True, exist_ok=True)
    overlay.save(path, quality=90)


def overlay_of(folder: Path, photo: Photo) -> Path:
    """Where the overlay of an image lies."""
    return folder / "overlays" / f"{photo.stem}.jpg"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


Row = tuple[str | int | float, ...]


def rows_of(photo: Photo, objects: Iterable[PredictedObject], naming: ClusterNames) -> list[Row]:
    """A row of `COLUMNS` for every object of an image."""
    return [
        (photo.name, o.number, o.cluster, naming.names[o.cluster], round(o.confidence, 4), o.area, *o.box)
        for o in objects
    ]


def write_objects(path: Path, rows: Iterable[Row]) -> None:
    """Write `objects.csv`."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
