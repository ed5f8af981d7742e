"""Clusters get the names of classes, from their confusion matrix alone (rows clusters, columns classes).

Cluster 0 is the background and takes part like any other. With as many clusters as classes the matching is one to
one (Hungarian); with another number every cluster takes its best class (over-clustering, paper Table 4). Published
numbers follow several protocols, which differ in the size that is scored and in the rules of both cases; each is
computed here from the same clusterings, so that a number never stands beside one of another protocol:

- `a`: original size, IoU in both cases (the official evaluation of MaskContrast);
- `a_prime`: squares of 512 pixels, Hungarian on pixel counts, else the majority (Ji et al., ICCV 2019, and after it
  STEGO and CAUSE);
- `b`: squares of 100 pixels, Hungarian on IoU, else by precision (Leopart; Ziegler and Asano, CVPR 2022).

Rule `pixels` is both the majority and precision: precision of a cluster for a class is the count over the size of the
cluster, which is the same for all of its classes, so both pick one class, that of the highest count.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int64
from scipy.optimize import linear_sum_assignment

from pipeline.metrics.agreement import adjusted_rand_index, normalized_mutual_information
from pipeline.metrics.confusion import iou_matrix, mean_iou, pixel_accuracy
from pipeline.metrics.spread import mean_and_std
from pipeline.params import MatchingProtocol
from pipeline.segmentation.clustering_confusions import Confusions, Run

Rule = Literal["iou", "pixels"]


class Match(NamedTuple):
    """A clustering named under one protocol: the class of every cluster, and clusters against classes in pixels."""

    run: Run
    protocol: str
    mapping: Int64[np.ndarray, " k"]
    contingency: Int64[np.ndarray, "k c"]

    @property
    def confusion(self) -> Int64[np.ndarray, "c c"]:
        """Predicted (rows) against true classes, in pixels."""
        return merge_clusters(self.contingency, self.mapping)


def match(confusion: Int64[np.ndarray, "k c"], one_to_one: Rule, many_to_one: Rule) -> Int64[np.ndarray, " k"]:
    """The class of every cluster, by the first rule where there are as many clusters as classes, else by the second.

    One to one, the sum of IoU (`iou`) or the number of matched pixels (`pixels`) is maximal. Many to one, a cluster
    takes the class of highest IoU or of most pixels, and background when it has no pixel. These differ: a small class
    that lies wholly inside a cluster beats a part of a large one by IoU.
    """
    k, classes = confusion.shape
    if k == classes:
        return linear_sum_assignment(_worth(confusion, one_to_one), maximize=True)[1]
    return _worth(confusion, many_to_one).argmax(axis=1)


def merge_clusters(confusion: Int64[np.ndarray, "k c"], mapping: Int64[np.ndarray, " k"]) -> Int64[np.ndarray, "c c"]:
    """Confusion matrix of predicted (rows) and true classes once every cluster has its class."""
    merged = np.zeros((confusion.shape[1], confusion.shape[1]), dtype=np.int64)
    np.add.at(merged, mapping, confusion)
    return merged


def match_all(confusions: Confusions, protocols: Mapping[str, MatchingProtocol]) -> Iterator[Match]:
    """Match every clustering under every protocol, seeds and protocols of one table and K together."""
    for run, by_size in confusions.items():
        for name, protocol in protocols.items():
            contingency = by_size[protocol.size]
            yield Match(run, name, match(contingency, protocol.one_to_one, protocol.many_to_one), contingency)


def scores(found: Match) -> dict[str, float]:
    """mIoU and pixel accuracy of the named clusters, NMI and ARI of the clusters as they are, all in percent."""
    confusion = found.confusion
    return {
        "miou": 100 * mean_iou(confusion),
        "accuracy": 100 * pixel_accuracy(confusion),
        "nmi": 100 * normalized_mutual_information(found.contingency),
        "ari": 100 * adjusted_rand_index(found.contingency),
    }


def summarize(matches: Sequence[Match]) -> dict[str, dict[str, dict[str, object]]]:
    """`{table: {K: {"seeds": n, protocol: mean and sample s.d. (0 for one seed) of all scores}}}`."""
    summary: dict[str, dict[str, dict[str, object]]] = {}
    for (name, clusters), of_one in groupby(matches, key=lambda found: found.run[:2]):
        by_protocol: dict[str, list[dict[str, float]]] = {}
        for found in of_one:
            by_protocol.setdefault(found.protocol, []).append(scores(found))
        seeds = len(next(iter(by_protocol.values())))
        means = {protocol: _mean_and_spread(runs) for protocol, runs in by_protocol.items()}
        summary.setdefault(name, {})[str(clusters)] = {"seeds": seeds, **means}
    return summary


def _worth(confusion: Int64[np.ndarray, "k c"], rule: Rule) -> np.ndarray:
    return iou_matrix(confusion) if rule == "iou" else confusion


def _mean_and_spread(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    table = {name: mean_and_std(name, [run[name] for run in runs]) for name in runs[0]}
    return {key: value for pair in table.values() for key, value in pair.items()}
