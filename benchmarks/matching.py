"""Score one clustering of 24 images of 500x375 with 21 classes: pixel counts against IoU passes over all pixels.

The reference has the structure of the official evaluation: paint and resize every cluster map, join all pixels, one
pass for each of the 441 pairs of a cluster and a class, Hungarian, then one more pass a class for the final score.
"""

import itertools

import numpy as np
from PIL import Image
from scipy.optimize import linear_sum_assignment

from benchmarks.measure import interleaved
from pipeline.metrics.confusion import IGNORED, mean_iou
from pipeline.segmentation.matching import match, merge_clusters
from pipeline.segmentation.region_counts import count_image, painted_rows, region_confusion

IMAGES, CLASSES, SIDE, HEIGHT, WIDTH = 24, 21, 512, 375, 500


def run() -> dict[str, object]:
    """Processor seconds for matching and mIoU, from foregrounds, assignments and label maps in memory."""
    foregrounds, assignments, labels = scenes(np.random.default_rng(0))
    difference = abs(ours(foregrounds, assignments, labels) - reference(foregrounds, assignments, labels))
    if difference > 1e-9:
        raise AssertionError(f"mIoU differs by {difference}")
    seconds = interleaved(
        lambda: ours(foregrounds, assignments, labels), lambda: reference(foregrounds, assignments, labels), rounds=3
    )
    return {"ratio": seconds[1] / seconds[0], "ours": seconds[0], "reference": seconds[1], "unit": "s"}


def scenes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squares of predicted foreground, the cluster of every image, and label maps with one rectangle and a rim."""
    foregrounds = np.zeros((IMAGES, SIDE, SIDE), dtype=bool)
    labels = np.zeros((IMAGES, HEIGHT, WIDTH), dtype=np.uint8)
    classes = 1 + np.arange(IMAGES) % (CLASSES - 1)
    for i, (top, left) in enumerate(rng.integers(20, 150, (IMAGES, 2))):
        foregrounds[i, top : top + 220, left : left + 250] = True
        labels[i, top - 4 : top + 180, left - 4 : left + 260] = IGNORED
        labels[i, top : top + 175, left : left + 255] = classes[i]
    confused = rng.random(IMAGES) < 0.3
    return foregrounds, np.where(confused, rng.integers(1, CLASSES, IMAGES), rng.permutation(CLASSES)[classes]), labels


def ours(foregrounds: np.ndarray, assignments: np.ndarray, labels: np.ndarray) -> float:
    """MIoU from 2 x 21 counts an image."""
    counts = np.stack([count_image(*pair)[:, :CLASSES] for pair in zip(foregrounds, labels, strict=True)])
    confusion = region_confusion(painted_rows(assignments), counts, CLASSES)
    return mean_iou(merge_clusters(confusion, match(confusion, "iou", "iou")))


def reference(foregrounds: np.ndarray, assignments: np.ndarray, labels: np.ndarray) -> float:
    """MIoU from arrays of all pixels."""
    painted = []
    for foreground, cluster in zip(foregrounds, assignments, strict=True):
        cluster_map = Image.fromarray(np.where(foreground, cluster, 0).astype(np.uint8))
        painted.append(np.asarray(cluster_map.resize((WIDTH, HEIGHT), Image.Resampling.NEAREST)).ravel())
    predicted, true = np.concatenate(painted), labels.ravel()
    valid = true != IGNORED
    predicted, true = predicted[valid], true[valid]
    iou = np.zeros((CLASSES, CLASSES))
    for cluster, label in itertools.product(range(CLASSES), repeat=2):
        iou[cluster, label] = pair_iou(predicted == cluster, true == label)
    renamed = np.zeros_like(predicted)
    for cluster, label in zip(*linear_sum_assignment(iou, maximize=True), strict=True):
        renamed[predicted == cluster] = label
    return float(np.mean([pair_iou(renamed == label, true == label) for label in range(CLASSES)]))


def pair_iou(predicted: np.ndarray, true: np.ndarray) -> float:
    """IoU of two boolean arrays; 0 where both are empty."""
    hits = np.sum(predicted & true)
    false_alarms, misses = np.sum(predicted & ~true), np.sum(~predicted & true)
    return float(hits / max(1, hits + false_alarms + misses))
