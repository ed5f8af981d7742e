"""Clusters get the names of classes, from their confusion matrix alone (rows clusters, columns classes).

Cluster 0 is the background and takes part like any other. With as many clusters as classes the matching is one to
one (Hungarian); with another number every cluster takes its best class (over-clustering, paper Table 4).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int64
from scipy.optimize import linear_sum_assignment

from pipeline.cluster_store import ClusterStore
from pipeline.metrics.confusion import iou_matrix, mean_iou, pixel_accuracy
from pipeline.metrics.spread import mean_and_std
from pipeline.segmentation.region_counts import painted_rows, region_confusion

Criterion = Literal["iou", "pixels"]


class Match(NamedTuple):
    """A clustering with names: the class of every cluster, and predicted (rows) against true classes in pixels."""

    name: str
    clusters: int
    seed: int
    mapping: Int64[np.ndarray, " k"]
    confusion: Int64[np.ndarray, "c c"]


def match(confusion: Int64[np.ndarray, "k c"], criterion: Criterion) -> Int64[np.ndarray, " k"]:
    """The class of every cluster; a cluster without pixels becomes background unless the matching is one to one.

    One to one, the sum of IoU (`iou`, the official evaluation) or the number of matched pixels (`pixels`, Ji et al.,
    ICCV 2019) is maximal. Otherwise the best class is the one of highest IoU, which need not be the most frequent:
    a small class that lies wholly inside a cluster beats a part of a large one.
    """
    k, classes = confusion.shape
    iou = iou_matrix(confusion)
    if k != classes:
        return iou.argmax(axis=1)
    return linear_sum_assignment(iou if criterion == "iou" else confusion, maximize=True)[1]


def merge_clusters(confusion: Int64[np.ndarray, "k c"], mapping: Int64[np.ndarray, " k"]) -> Int64[np.ndarray, "c c"]:
    """Confusion matrix of predicted (rows) and true classes once every cluster has its class."""
    merged = np.zeros((confusion.shape[1], confusion.shape[1]), dtype=np.int64)
    np.add.at(merged, mapping, confusion)
    return merged


def match_all(
    store: ClusterStore, counts: Mapping[int, Int64[np.ndarray, "n r c"]], criterion: Criterion
) -> Iterator[Match]:
    """Match every clustering of the store, given `counts[grid]` in the regions that were clustered, images as stored.

    Those are the foregrounds' for `grid` 0, of the mask embeddings, else those of `grid` x `grid` cells.
    """
    for name in store.names:
        grid = store.grid(name)
        regions = counts[grid]
        for clusters in store.clusters(name):
            for seed, run in store.runs(name, clusters).items():
                # Assignment -1, nothing salient, lands on row 0 with the background.
                rows = run.assignments.reshape(len(regions), -1) if grid else painted_rows(run.assignments + 1)
                confusion = region_confusion(rows, regions, clusters)
                mapping = match(confusion, criterion)
                yield Match(name, clusters, seed, mapping, merge_clusters(confusion, mapping))


def mean_and_spread(matches: Sequence[Match]) -> dict[str, int | float]:
    """Mean and sample standard deviation (0 for one seed) of mIoU and pixel accuracy over seeds, in percent."""
    miou = mean_and_std("miou", [100 * mean_iou(found.confusion) for found in matches])
    accuracy = mean_and_std("accuracy", [100 * pixel_accuracy(found.confusion) for found in matches])
    return {"seeds": len(matches), **miou, **accuracy}
