"""Semantic segment retrieval: a salient segment takes the class of the nearest labelled segments (paper Figure 4)."""

import faiss
import numpy as np
from jaxtyping import Float32, Int64

from pipeline.errors import InputError


def segment_classes(counts: Int64[np.ndarray, "n 2 c"]) -> Int64[np.ndarray, " n"]:
    """The most frequent class on every image's foreground, background aside; 0 where there is none."""
    objects = counts[:, 1].copy()
    objects[:, 0] = 0
    return objects.argmax(axis=1)


def retrieve_classes(
    bank: Float32[np.ndarray, "m d"],
    classes: Int64[np.ndarray, " m"],
    queries: Float32[np.ndarray, "q d"],
    neighbours: int,
) -> Int64[np.ndarray, " q"]:
    """The majority class of each query's nearest bank segments by dot product; among equals that of the nearest.

    Bank segments of class 0 are left out, and a zero query (nothing salient) stays background.
    Raises InputError when no labelled segment is left.
    """
    labelled = classes > 0
    if not labelled.any():
        raise InputError("retrieve.bank has no image with a labelled object in its foreground; name another split")
    bank, classes = bank[labelled], classes[labelled]
    near = faiss.knn(queries, bank, min(neighbours, len(bank)), metric=faiss.METRIC_INNER_PRODUCT)[1]
    # A vote is 1 plus less than the next rank's: the extras never add up to a vote, and the nearest outweighs the rest.
    weights = 1 + 0.5 ** np.arange(1, near.shape[1] + 1)
    votes = np.zeros((len(queries), int(classes.max()) + 1))
    np.add.at(votes, (np.arange(len(queries))[:, None], classes[near]), weights)
    return np.where(queries.any(axis=1), votes.argmax(axis=1), 0)
