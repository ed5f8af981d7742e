"""The protocols of the evaluation for a network that is set beside the pretrained one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float16, Float32, Int64

from pipeline.cluster_store import ClusterStore, write_clusters
from pipeline.embedding_store import EmbeddingStore
from pipeline.metrics.confusion import class_iou
from pipeline.packed import Packed
from pipeline.params import Cluster, MatchClusters, Retrieve
from pipeline.segmentation import linear_probe, matching, retrieval
from pipeline.segmentation.clustering_confusions import count_clusterings
from pipeline.segmentation.kmeans import cluster_cells, cluster_embeddings
from pipeline.segmentation.region_counts import count_foregrounds


class Confused(NamedTuple):
    """One label map of a whole split: its protocol, K (0 without clusters), seed, predicted against true classes."""

    protocol: str
    clusters: int
    seed: int
    confusion: Int64[np.ndarray, "c c"]


class Scores(NamedTuple):
    """`summary` by protocol, numbers in percent, and the label maps that they are of."""

    summary: dict[str, Any]
    confused: list[Confused]


def linear_scores(probes: Sequence[linear_probe.Probe]) -> Scores:
    """The linear probe; the label maps are those of the last epoch."""
    confused = [Confused("linear", 0, found.seed, found.confusion) for found in probes]
    return Scores({"linear": linear_probe.mean_and_spread(probes)}, confused)


def kmeans_scores(
    pooled: Float32[np.ndarray, "n d"],
    cells: Float16[np.ndarray, "m g g d"],
    images: Packed,
    stored: EmbeddingStore,
    labels: Packed,
    options: tuple[Cluster, MatchClusters],
    out: Path,
) -> Scores:
    """K-means of the pixels' features and of those pooled over the foreground in `stored`; clusterings go to `out`.

    The label maps are those of protocol a.
    """
    cluster, protocols = options[0], dict(options[1])
    members = images.split(cluster.split)
    clusterings = {
        "kmeans_pixels": cluster_cells("pixels", cells, cluster),
        "kmeans_same_foreground": cluster_embeddings("same_foreground", pooled[members], cluster),
    }
    write_clusters(out, [images.ids[i] for i in members], clusterings, {"split": cluster.split})
    sizes = sorted({protocol.size for protocol in protocols.values()})
    matches = list(matching.match_all(count_clusterings(ClusterStore(out), stored, labels, sizes), protocols))
    summary = {
        name: {f"k{clusters}": scores for clusters, scores in runs.items()}
        for name, runs in matching.summarize(matches).items()
    }
    return Scores(summary, [Confused(*found.run, found.confusion) for found in matches if found.protocol == "a"])


def retrieval_scores(
    pooled: Float32[np.ndarray, "n d"], images: Packed, stored: EmbeddingStore, labels: Packed, options: Retrieve
) -> Scores:
    """Retrieval of segments, the foregrounds in `stored`, by the features pooled over them.

    The label maps are those of all classes.
    """

    def segments(split: str) -> retrieval.Segments:
        members = images.split(split)
        ids = [images.ids[i] for i in members]
        return retrieval.Segments(ids, pooled[members], count_foregrounds(stored, labels, ids, split, options.size))

    bank, queries = segments(options.bank), segments(options.query)
    summary: dict[str, Any] = {}
    confused: list[Confused] = []
    for score, classes in retrieval.class_subsets(labels.metadata["classes"], options.kept_classes).items():
        confusion = retrieval.retrieval_confusion(bank, queries, classes, options.neighbours)
        summary[score] = retrieval.retrieval_scores(confusion, classes)
        confused.append(Confused("retrieve", 0, 0, confusion))
    return Scores({"retrieve": summary}, confused[:1])


def iou_table(scores: Sequence[Scores], classes: Sequence[str]) -> pd.DataFrame:
    """IoU in percent of every class, by its name, in all label maps."""
    confused = [found for each in scores for found in each.confused]
    rows = [(*each[:3], *row) for each in confused for row in zip(classes, 100 * class_iou(each[3]), strict=True)]
    return pd.DataFrame(rows, columns=["protocol", "clusters", "seed", "class", "iou"])
