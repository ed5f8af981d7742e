"""Confusion matrices and what follows from them: IoU of every class, mIoU, pixel accuracy.

A confusion matrix holds pixel counts, one row a predicted class (or cluster), one column a true class. It is summed
image by image, so memory does not grow with the number of images, and every metric is exact.
"""

import numpy as np
from jaxtyping import Float64, Int64, Integer, UInt8

from pipeline.errors import InputError

IGNORED = 255
LABELS = 256


def joint_counts(
    predicted: Integer[np.ndarray, "h w"], labels: UInt8[np.ndarray, "y x"], rows: int
) -> Int64[np.ndarray, "rows 256"]:
    """Pixels of every pair of a predicted index in 0..rows-1 and a label in 0..255.

    A bincount of the joint index: one pass, whatever the number of rows, and no array of booleans.
    InputError when prediction and labels differ in size.
    """
    if predicted.shape != labels.shape:
        raise InputError(
            f"a prediction of size {predicted.shape} cannot be scored with labels of size {labels.shape} "
            "(height, width); resize the prediction to the labels, by nearest neighbour"
        )
    joint = predicted.astype(np.int64)
    joint *= LABELS
    joint += labels
    return np.bincount(joint.ravel(), minlength=rows * LABELS).reshape(rows, LABELS)


def known_columns(counts: Int64[np.ndarray, "*rows 256"], classes: int, where: str) -> Int64[np.ndarray, "*rows c"]:
    """The columns of the known classes; 255 is ignored, any other label raises InputError saying `where` it is."""
    unknown = np.flatnonzero(counts.reshape(-1, LABELS)[:, classes:IGNORED].any(axis=0))
    if len(unknown):
        raise InputError(
            f"{where} holds class {classes + unknown[0]} but only {classes} classes are named; "
            "name every class in pack_images"
        )
    # A view would keep all 256 columns in memory for as long as the counts of an image wait to be summed.
    return counts[..., :classes].copy()


class Confusion:
    """Confusion matrix of a set of images: `counts` int64 [rows, classes]."""

    def __init__(self, rows: int, classes: int) -> None:
        self.counts: Int64[np.ndarray, "rows c"] = np.zeros((rows, classes), dtype=np.int64)

    def add(self, predicted: Integer[np.ndarray, "h w"], labels: UInt8[np.ndarray, "y x"]) -> None:
        """Add one image; InputError for a label that is neither a class nor 255 (ignored), or when sizes differ."""
        rows, classes = self.counts.shape
        self.counts += known_columns(joint_counts(predicted, labels, rows), classes, "a label map")


def iou_matrix(confusion: Int64[np.ndarray, "k c"]) -> Float64[np.ndarray, "k c"]:
    """IoU in [0, 1] of every row with every column; 0 where both are empty."""
    union = confusion.sum(axis=1, keepdims=True) + confusion.sum(axis=0, keepdims=True) - confusion
    return confusion / np.maximum(union, 1)


def class_iou(confusion: Int64[np.ndarray, "c c"]) -> Float64[np.ndarray, " c"]:
    """IoU in [0, 1] of every class; an absent class has 0 and counts in the mean, as in the official evaluation."""
    return iou_matrix(confusion).diagonal().copy()


def mean_iou(confusion: Int64[np.ndarray, "c c"]) -> float:
    """mIoU in [0, 1]."""
    return float(class_iou(confusion).mean())


def pixel_accuracy(confusion: Int64[np.ndarray, "c c"]) -> float:
    """Share of the pixels that have their own class, in [0, 1]; 0 without any pixel."""
    return float(confusion.trace() / max(1, confusion.sum()))
