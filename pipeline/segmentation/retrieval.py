"""Semantic segment retrieval: a salient segment takes the class of the nearest labelled segments (paper Figure 4).

Which segments are labelled, and how, follows the official evaluation, and so does its second score, in which all
classes but a few are ignored, in the bank and in the images scored.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import faiss
import numpy as np
from jaxtyping import Float32, Int64

from pipeline.errors import InputError
from pipeline.metrics.confusion import class_iou, pixel_accuracy
from pipeline.segmentation.region_counts import painted_rows, region_confusion

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class Segments(NamedTuple):
    """The salient segments of images, one an image.

    `embeddings` have unit norm, or are zero where nothing is salient; `counts` are the pixels of every class on the
    background (0) and on the segment (1).
    """

    ids: list[str]
    embeddings: Float32[np.ndarray, "n d"]
    counts: Int64[np.ndarray, "n 2 c"]


def segment_classes(counts: Int64[np.ndarray, "n 2 c"]) -> Int64[np.ndarray, " n"]:
    """The most frequent class on every image's foreground, background aside; 0 where there is none."""
    objects = counts[:, 1].copy()
    objects[:, 0] = 0
    return objects.argmax(axis=1)


def class_subsets(names: Sequence[str], kept: Sequence[str]) -> dict[str, Int64[np.ndarray, " k"]]:
    """The classes of each score by its name: `all_classes` and, with `kept` ones, `seven_classes` (or as many).

    Raises InputError for a kept class that is no object class of the data set.
    """
    subsets = {"all_classes": np.arange(len(names))}
    for name in kept:
        if name not in names[1:]:
            objects = ", ".join(names[1:])
            raise InputError(
                f"retrieve.kept_classes names {name}, but the object classes are {objects}; keep some of these"
            )
    if kept:
        number = NUMBERS[len(kept)] if len(kept) < len(NUMBERS) else len(kept)
        subsets[f"{number}_classes"] = np.sort([names.index(name) for name in kept])
    return subsets


def only_classes(counts: Int64[np.ndarray, "n 2 c"], classes: Int64[np.ndarray, " k"]) -> Int64[np.ndarray, "n 2 c"]:
    """The counts as if all pixels but those of the background and of `classes` were ignored."""
    kept = np.isin(np.arange(counts.shape[2]), [0, *classes])
    return counts * kept


def nearest_segments(
    bank: Float32[np.ndarray, "m d"],
    classes: Int64[np.ndarray, " m"],
    queries: Float32[np.ndarray, "q d"],
    neighbours: int,
) -> Int64[np.ndarray, "q k"]:
    """Each query's nearest bank segments by dot product, nearest first: `neighbours`, or all where they are fewer.

    Bank segments of class 0 are left out. Raises InputError when no labelled segment is left.
    """
    labelled = np.flatnonzero(classes > 0)
    if not len(labelled):
        raise InputError("retrieve.bank has no image with a labelled object in its foreground; name another split")
    count = min(neighbours, len(labelled))
    return labelled[faiss.knn(queries, bank[labelled], count, metric=faiss.METRIC_INNER_PRODUCT)[1]]


def retrieve_classes(
    bank: Float32[np.ndarray, "m d"],
    classes: Int64[np.ndarray, " m"],
    queries: Float32[np.ndarray, "q d"],
    neighbours: int,
) -> Int64[np.ndarray, " q"]:
    """The majority class of each query's `nearest_segments`; among equals that of the nearest.

    A zero query (nothing salient) stays background. Raises InputError when no labelled segment is left.
    """
    near = nearest_segments(bank, classes, queries, neighbours)
    # A vote is 1 plus less than the next rank's: the extras never add up to a vote, and the nearest outweighs the rest.
    weights = 1 + 0.5 ** np.arange(1, near.shape[1] + 1)
    votes = np.zeros((len(queries), int(classes.max()) + 1))
    np.add.at(votes, (np.arange(len(queries))[:, None], classes[near]), weights)
    return np.where(queries.any(axis=1), votes.argmax(axis=1), 0)


def retrieval_confusion(
    bank: Segments, queries: Segments, classes: Int64[np.ndarray, " k"], neighbours: int
) -> Int64[np.ndarray, "c c"]:
    """Predicted (rows) against true classes of the queries' images in pixels, all but `classes` and background ignored.

    Raises InputError when the bank has no segment of one of `classes`.
    """
    known = segment_classes(only_classes(bank.counts, classes))
    found = retrieve_classes(bank.embeddings, known, queries.embeddings, neighbours)
    counts = only_classes(queries.counts, classes)
    return region_confusion(painted_rows(found), counts, counts.shape[2])


def retrieval_scores(confusion: Int64[np.ndarray, "c c"], classes: Int64[np.ndarray, " k"]) -> dict[str, float]:
    """mIoU over `classes` and the accuracy of all pixels that count, in percent."""
    miou = class_iou(confusion)[classes].mean()
    return {"miou": 100 * float(miou), "accuracy": 100 * pixel_accuracy(confusion)}


def spread_over_classes(classes: Int64[np.ndarray, " n"], count: int) -> Int64[np.ndarray, " m"]:
    """At most `count` indices with a class above 0: the first of every class, then the second of every one, and so on.

    With more classes than `count` these are the first of evenly spaced classes.
    """
    objects = np.flatnonzero(classes > 0)
    rank = np.array([(classes[: i + 1] == classes[i]).sum() for i in objects], dtype=np.int64)
    order = objects[np.lexsort((classes[objects], rank))]
    order = order[: max(count, int((rank == 1).sum()))]
    return order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)]


def example_rows(bank: Segments, queries: Segments, count: int, neighbours: int) -> Iterator[list[tuple[str, int]]]:
    """Rows of (image id, class of the segment): a query, then the bank's segments that are nearest to it.

    The queries are spread over their classes; one without a labelled object in its foreground is not shown.
    """
    known, truth = segment_classes(bank.counts), segment_classes(queries.counts)
    chosen = spread_over_classes(truth, count)
    near = nearest_segments(bank.embeddings, known, queries.embeddings[chosen], neighbours)
    for query, row in zip(chosen, near, strict=True):
        yield [(queries.ids[query], int(truth[query])), *((bank.ids[i], int(known[i])) for i in row)]
