"""Scores of object masks against ground truth, over the pixels of all images together."""

import numpy as np

from pipeline.images.codecs import decode_labels
from pipeline.mask_store import MaskStore
from pipeline.metrics.confusion import Confusion
from pipeline.metrics.saliency import object_labels
from pipeline.packed import Packed
from pipeline.progress import track


def score_masks(masks: MaskStore, truth: Packed) -> dict[str, int | float]:
    """Scores of the kept masks on the images that have labels, and how many of these images were rejected."""
    confusion, rows = Confusion(2, 2), [masks.index(image_id) for image_id in truth.ids]
    for i, row in enumerate(track(rows, "score masks")):
        if not masks.rejected[row]:
            confusion.add(masks[row].view(np.uint8), object_labels(decode_labels(truth[i])))
    counts: dict[str, int | float] = {"images": len(truth), "rejected": int(masks.rejected[rows].sum())}
    return counts | mask_scores(confusion) if rows else counts


def mask_scores(confusion: Confusion) -> dict[str, float]:
    """IoU, precision and recall in [0, 1] of masks (row 1) against objects (column 1), over all pixels."""
    hits = confusion.counts[1, 1]
    predicted, true = confusion.counts[1].sum(), confusion.counts[:, 1].sum()
    return {
        "iou": float(hits / max(1, predicted + true - hits)),
        "precision": float(hits / max(1, predicted)),
        "recall": float(hits / max(1, true)),
    }
