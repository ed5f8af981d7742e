"""Predictions as COCO's object instances, for annotation tools and pycocotools.

Two files with the same annotations: in `rle.json` every segmentation is an uncompressed RLE, in `polygons.json` it is a
list of polygons, which can be edited, but for objects with a hole, which keep their RLE. Both give the mask exactly.
`score` is the confidence. Objects whose cluster is called as the background have no annotation.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.cluster_names import ClusterNames
from pipeline.predictions.outlines import polygons, run_lengths
from pipeline.predictions.record import Prediction


class CocoObject(NamedTuple):
    """What an annotation says beside its number and its image, and its mask in both ways."""

    facts: dict[str, Any]
    rle: dict[str, list[int]]
    outlines: list[list[int]] | None


class CocoImage(NamedTuple):
    """The entry of an image but for its number, and its objects."""

    entry: dict[str, Any]
    objects: list[CocoObject]


def coco_image(prediction: Prediction, naming: ClusterNames) -> CocoImage:
    """One image in COCO's terms."""
    opened = prediction.opened
    entry = {"file_name": opened.photo.name, "height": opened.height, "width": opened.width}
    objects = []
    for found in prediction.objects:
        category = int(naming.class_of[found.cluster])
        if category == 0:
            continue
        mask = prediction.mask(found)
        facts = {"category_id": category, "area": found.area, "bbox": list(found.box), "iscrowd": 0}
        facts["score"] = round(found.confidence, 4)
        rle = {"size": [opened.height, opened.width], "counts": run_lengths(mask)}
        objects.append(CocoObject(facts, rle, polygons(mask)))
    return CocoImage(entry, objects)


def write_coco(folder: Path, images: Sequence[CocoImage], naming: ClusterNames) -> None:
    """Write both files; numbers of images and annotations begin at 1."""
    entries = [{"id": i, **image.entry} for i, image in enumerate(images, start=1)]
    names = list(enumerate(naming.classes))[1:]
    categories = [{"id": i, "name": name, "supercategory": "object"} for i, name in names]
    objects = [(i, found) for i, image in enumerate(images, start=1) for found in image.objects]
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("rle", "polygons"):
        annotations = [
            {"id": number, "image_id": image, **found.facts, "segmentation": _segmentation(found, name)}
            for number, (image, found) in enumerate(objects, start=1)
        ]
        content = {"images": entries, "categories": categories, "annotations": annotations}
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def _segmentation(found: CocoObject, kind: str) -> dict[str, list[int]] | list[list[int]]:
    return found.rle if kind == "rle" or found.outlines is None else found.outlines
