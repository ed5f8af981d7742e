"""Predictions in PASCAL VOC's layout, as annotation tools and layout `voc` of `pack_images` read it.

`SegmentationClass/` holds the class of every pixel and `SegmentationObject/` the number of its object, both as palette
PNGs named by image ids; `ImageSets/Segmentation/train.txt` lists the ids, `classes.txt` the names in the order of their
values, `labelmap.txt` the same with their colours, as CVAT has it. Images are copied to `JPEGImages/` if asked for.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.cluster_names import ClusterNames
from pipeline.images.palette import encode_labels, voc_palette
from pipeline.predictions.record import Prediction


def save_voc(folder: Path, prediction: Prediction, naming: ClusterNames, copy_image: bool) -> None:
    """Write the two maps of one image, and the image as it is if it is to be copied."""
    classes = {found.number: int(naming.class_of[found.cluster]) for found in prediction.objects}
    numbers = {number: number for number, label in classes.items() if label}
    photo = prediction.opened.photo
    for place, values in (("SegmentationClass", classes), ("SegmentationObject", numbers)):
        path = folder / place / f"{photo.image_id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_labels(prediction.painted(values)))
    if copy_image:
        path = folder / "JPEGImages" / f"{photo.image_id}{photo.path.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(photo.path, path)


def write_voc_lists(folder: Path, image_ids: Sequence[str], naming: ClusterNames) -> None:
    """Write the list of images, and the names of classes with and without their colours."""
    colours = zip(naming.classes, voc_palette().tolist(), strict=False)
    texts = {
        "ImageSets/Segmentation/train.txt": image_ids,
        "classes.txt": naming.classes,
        "labelmap.txt": ["# label:color_rgb:parts:actions", *(f"{name}:{r},{g},{b}::" for name, (r, g, b) in colours)],
    }
    for name, lines in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
