"""The labelled fractions of a training split in semi-supervised fine-tuning (paper section 4.6).

Every split is one order of the images, and a fraction is its beginning, so a smaller fraction of a split lies inside a
larger one. The paper draws at random and does not publish its splits.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.metrics.confusion import LABELS, known_columns
from pipeline.packed import replacing
from pipeline.progress import track
from pipeline.seeding import generator


def classes_shown(labels: LabelSet, ids: Iterable[str]) -> Bool[np.ndarray, "n c"]:
    """Whether any pixel of each image is of each class; InputError for a class without a name and for no label map."""
    shown = []
    for image_id in track(list(ids), "look for classes"):
        pixels = np.bincount(labels.labels(labels.index(image_id)).ravel(), minlength=LABELS)
        shown.append(known_columns(pixels, len(labels.classes), f"the label map of {image_id}") > 0)
    return np.stack(shown)


def order_images(shown: Bool[np.ndarray, "n c"], seed: int, split: int, cover_classes: bool) -> Int64[np.ndarray, " n"]:
    """The images of one split in the order in which their labels come into use.

    With `cover_classes` an image of every class stands at the beginning, the class of fewest images first: the first
    one in random order, unless an image of another class shows it too. Then no class is missing from a fraction of
    as many images as there are classes; a smaller one lacks the most frequent. All other images follow in random order.
    """
    order = generator(seed, "label fraction", split).permutation(len(shown))
    first: list[int] = []
    if cover_classes:
        images = shown.sum(axis=0)
        for label in np.lexsort((np.arange(len(images)), images)):
            if images[label] and not shown[first, label].any():
                first.append(int(order[shown[order, label].argmax()]))
    return np.concatenate([np.array(first, dtype=np.int64), order[~np.isin(order, first)]])


def beginning(order: Int64[np.ndarray, " n"], fraction: float) -> Int64[np.ndarray, " k"]:
    """The images of a fraction, ascending: the first `round(n * fraction)` of the order, at least one.

    Raises InputError for a fraction outside (0, 1] and for no images.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"fraction is {fraction}; give the share of labelled images, above 0 and at most 1")
    if not len(order):
        raise InputError("there is no image to draw a fraction of; name a training split with labelled images")
    return np.sort(order[: max(1, round(len(order) * fraction))])


def write_ids(path: Path, ids: Iterable[str]) -> None:
    """Write image ids, one a line."""
    with replacing(path) as temporary:
        temporary.write_text("".join(f"{image_id}\n" for image_id in ids))


def listed_ids(path: Path) -> list[str]:
    """The image ids in a file, one a line; an id may hold spaces."""
    return [line for line in path.read_text().split("\n") if line]


def read_images(path: Path, images: ImageSet, labels: LabelSet) -> Int64[np.ndarray, " k"]:
    """Indices in `images` of the ids in a file, ascending.

    Raises InputError for an empty file, an id that stands there twice, and one without an image or a label map.
    """
    ids = listed_ids(path)
    if not ids:
        raise InputError(f"{path} names no image; write the ids of the images whose labels may be used, one a line")
    twice = [image_id for image_id, after in zip(sorted(ids), sorted(ids)[1:], strict=False) if image_id == after]
    if twice:
        raise InputError(f"{path} names {twice[0]} twice; name every image once")
    for container in (images, labels):
        unknown = sorted(set(ids) - set(container.ids))
        if unknown:
            raise InputError(f"{path} names {unknown[0]}, which {container.path} does not hold; correct or remove it")
    return np.array(sorted(images.index(image_id) for image_id in ids), dtype=np.int64)
