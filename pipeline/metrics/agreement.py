"""How far clusters and classes part the pixels alike, whatever the clusters are called: NMI and ARI.

Both follow exactly from the contingency matrix (rows clusters, columns classes), whatever the order of its rows. With
one cluster and one class both are 1, as in scikit-learn; without any pixel, 0.
"""

import numpy as np
from jaxtyping import Int64
from scipy.special import entr


def normalized_mutual_information(confusion: Int64[np.ndarray, "k c"]) -> float:
    """Mutual information over the mean of both entropies, in [0, 1] (Strehl and Ghosh, JMLR 2002; arithmetic mean)."""
    joint = confusion / max(1, confusion.sum())
    clusters, classes, both = (float(entr(p).sum()) for p in (joint.sum(axis=1), joint.sum(axis=0), joint))
    if clusters + classes == 0:
        return float(confusion.any())
    # Independent partitions have 0 but for rounding.
    return min(1.0, max(0.0, 2 * (clusters + classes - both) / (clusters + classes)))


def adjusted_rand_index(confusion: Int64[np.ndarray, "k c"]) -> float:
    """Pairs of pixels on which both partitions agree, corrected for chance (Hubert and Arabie, 1985); at most 1.

    Integers without a bound: the squares of a pair count leave 64 bits at a few thousand images.
    """
    together, clusters, classes, pairs = (
        _pairs(part) for part in (confusion, confusion.sum(axis=1), confusion.sum(axis=0), confusion.sum(keepdims=True))
    )
    chance = 2 * clusters * classes
    best = (clusters + classes) * pairs
    if best == chance:
        return float(confusion.any())
    return (2 * together * pairs - chance) / (best - chance)


def _pairs(sizes: Int64[np.ndarray, "..."]) -> int:
    exact = sizes.ravel().astype(object)
    return int((exact * (exact - 1) // 2).sum())
