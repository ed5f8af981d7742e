"""What the evaluation needs of the labels: pixels of every class in each region of an image.

Matching and retrieval give a whole region one cluster or class, be it the predicted foreground or a cell of a grid. So
these R x C numbers an image decide every confusion matrix exactly: labels and saliency are decoded once, and any
number of clusterings costs additions.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int64, Integer, UInt8

from pipeline.embedding_store import EmbeddingStore
from pipeline.errors import InputError
from pipeline.images.codecs import decode_labels
from pipeline.images.datasets import partly_labelled
from pipeline.images.nearest import nearest
from pipeline.metrics.confusion import IGNORED, joint_counts, known_columns
from pipeline.packed import Packed
from pipeline.progress import track


def count_foregrounds(
    embeddings: EmbeddingStore, labels: Packed, ids: list[str], split: str, size: int = 0
) -> Int64[np.ndarray, "n 2 c"]:
    """Pixels on the background (region 0) and the predicted foreground (1) of the named images.

    They are counted at the size of the label map, or with `size` in squares of that side, whatever the aspect.
    InputError when one has no label map or a class without a name.
    """
    counts = []
    for image_id, label_map in label_maps(labels, ids, split):
        if size:
            label_map = nearest(label_map, (size, size))
        found = count_image(embeddings.foreground(embeddings.index(image_id)), label_map)
        counts.append(known_classes(found, labels, image_id))
    return np.stack(counts)


def count_image(foreground: Bool[np.ndarray, "s s"], labels: UInt8[np.ndarray, "h w"]) -> Int64[np.ndarray, "2 256"]:
    """Pixels of every label on the background (row 0) and the foreground (row 1), at the size of the label map."""
    return count_regions(foreground.view(np.uint8), labels, 2)


def count_regions(
    regions: Integer[np.ndarray, "s s"], labels: UInt8[np.ndarray, "h w"], rows: int
) -> Int64[np.ndarray, "{rows} 256"]:
    """Pixels of every label in each of the regions 0..rows-1 of a square, at the size of the label map."""
    return joint_counts(nearest(regions, labels.shape), labels, rows)


def region_confusion(
    rows: Integer[np.ndarray, "n r"], counts: Int64[np.ndarray, "n r c"], k: int
) -> Int64[np.ndarray, "{k} c"]:
    """Confusion matrix of label maps that are `rows[i, j]` on region j of image i."""
    confusion = np.zeros((k, counts.shape[2]), dtype=np.int64)
    np.add.at(confusion, rows.ravel(), counts.reshape(-1, counts.shape[2]))
    return confusion


def painted_rows(rows: Integer[np.ndarray, " n"]) -> Integer[np.ndarray, "n 2"]:
    """The regions' rows of label maps that are `rows[i]` on the foreground of image i and 0 elsewhere."""
    return np.stack([np.zeros_like(rows), rows], axis=1)


def label_maps(labels: Packed, ids: list[str], split: str) -> Iterator[tuple[str, UInt8[np.ndarray, "h w"]]]:
    """The label maps of the images of a split, one at a time.

    An image that waits for its label map has one pixel to be ignored. InputError, before the first, when a label map is
    missing for no such reason, or all are.
    """
    missing = set(ids) - set(labels.ids)
    if missing and not (partly_labelled(labels) and len(missing) < len(ids)):
        raise InputError(
            f"split {split}: {len(missing)} of {len(ids)} images have no label map in {labels.path} "
            f"(first {min(missing)}); pack their label maps or name a labelled split"
        )
    for image_id in track(ids, f"count {split}"):
        waits = image_id in missing
        yield image_id, np.full((1, 1), IGNORED, np.uint8) if waits else decode_labels(labels[labels.index(image_id)])


def known_classes(counts: Int64[np.ndarray, "r 256"], labels: Packed, image_id: str) -> Int64[np.ndarray, "r c"]:
    """The columns of the named classes; InputError when the image's label map holds another one."""
    return known_columns(counts, len(labels.metadata["classes"]), f"the label map of {image_id}")
