"""Absorbing Markov chain: salient is where a random walk wanders long before it ends at the image border.

B. Jiang, L. Zhang, H. Lu, C. Yang, M.-H. Yang, "Saliency detection via absorbing Markov chain", ICCV 2013.
"""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from scipy.linalg import solve
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from pipeline.params import Mc
from pipeline.priors.superpixels import adjacency, paint, segment, symmetric, touches_border, two_ring, unit_range

# A border whose affinity to the ring inside it stays below this per superpixel is a frame: 13 for the 59 of them
# that a grid of 250 has along its border.
FRAME_AFFINITY = 13 / 59
# Of SLIC, whose borders are all that the chain sees: maximum F on ECSSD is .669 after 5, .673 after 7, .675 after 10.
ITERATIONS = 7
# A superpixel outside the chain is salient when a neighbour in it is more salient than this.
OUTLIER_SALIENCY = 0.3


def mc(image: UInt8[np.ndarray, "h w 3"], settings: Mc) -> Float32[np.ndarray, "h w"]:
    """Saliency in [0, 1] of an RGB image; all zero when no region stands out."""
    regions = segment(image, settings.superpixels, settings.compactness, ITERATIONS)
    colour_distance = cdist(regions.colours, regions.colours)
    if not colour_distance.any():  # the chain would only measure how far the border is
        return np.zeros(image.shape[:2], dtype=np.float32)
    linked = adjacency(regions.labels, diagonal=True)
    edges = two_ring(linked | across_image(regions.labels))
    affinity = colour_affinity(colour_distance, edges, settings.colour_scale)
    border = touches_border(regions.labels, band=1)
    return paint(regions.labels, graph_saliency(affinity, linked, border, settings))


def across_image(labels: Int64[np.ndarray, "h w"]) -> Bool[np.ndarray, "n n"]:
    """Links between opposite ends of every row and every column, so that background parts are close."""
    count = int(labels.max()) + 1
    linked = np.zeros((count, count), dtype=bool)
    linked[labels[:, 0], labels[:, -1]] = True
    linked[labels[0], labels[-1]] = True
    return symmetric(linked)


def colour_affinity(
    colour_distance: Float64[np.ndarray, "n n"], edges: Bool[np.ndarray, "n n"], scale: float
) -> Float64[np.ndarray, "n n"]:
    """exp(-scale d) on the edges, d scaled to [0, 1] over them; 1 to oneself, 0 elsewhere."""
    affinity = np.eye(len(edges))
    if edges.any():
        # The small constant keeps an edge between the two least alike superpixels.
        affinity[edges] = np.exp(-scale * unit_range(colour_distance[edges])) + 1e-5
    return affinity


def graph_saliency(
    affinity: Float64[np.ndarray, "n n"],
    linked: Bool[np.ndarray, "n n"],
    border: Bool[np.ndarray, " n"],
    settings: Mc,
) -> Float64[np.ndarray, " n"]:
    """Saliency of every superpixel in [0, 1] from the time of absorption at the border.

    Two kinds of superpixels stay outside the chain: a border that is a frame is not salient; an outlier (no
    neighbour alike: an eye, a letter) would be visited so long that it took the whole range for itself, so it
    is as salient as its neighbours say.
    """
    outlier = affinity.sum(axis=1) < settings.outlier_sum
    ring = linked[border].any(axis=0) & ~border
    framed = ring.any() and affinity[np.ix_(border, ring)].sum() <= FRAME_AFFINITY * border.sum()
    absorbing, frame = (ring, border) if framed else (border, np.zeros_like(border))
    chain = reachable(affinity, ~outlier & ~frame, absorbing)
    saliency = np.zeros(len(affinity))
    if not chain.any():
        return saliency
    saliency[chain] = chain_saliency(affinity[np.ix_(chain, chain)], absorbing[chain], settings.centre_score)
    beside_salient = linked[:, saliency > OUTLIER_SALIENCY].any(axis=1)
    saliency[beside_salient & ~chain & ~frame] = 1.0
    return saliency


def reachable(
    affinity: Float64[np.ndarray, "n n"], transient: Bool[np.ndarray, " n"], absorbing: Bool[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """The transient superpixels from which a walk over transient ones can end; from the others it never does."""
    inside = affinity * (transient[:, None] & transient)
    _, component = connected_components(inside > 0, directed=False)
    return transient & np.isin(component, component[absorbing & transient])


def chain_saliency(
    affinity: Float64[np.ndarray, "n n"], absorbing: Bool[np.ndarray, " n"], centre_score: float
) -> Float64[np.ndarray, " n"]:
    """Absorbed time in [0, 1]; weighted by rarity when it is a smooth hill in the centre."""
    saliency = unit_range(absorbed_time(affinity, absorbing, np.ones(len(affinity))))
    if smoothness_score(saliency) < centre_score:
        return saliency
    # In a large homogeneous background the walk takes long for lack of ways out, not for lack of likeness.
    rarity = 1 / affinity.sum(axis=1)
    return unit_range(absorbed_time(affinity, absorbing, rarity / rarity.sum()))


def absorbed_time(
    affinity: Float64[np.ndarray, "n n"], absorbing: Bool[np.ndarray, " n"], step: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    """Expected sum of `step` over the walk from each superpixel to absorption: (I - Q)^-1 step.

    Every superpixel marked `absorbing` has an absorbing copy with the same affinities, 1 to itself included.
    """
    degree = affinity.sum(axis=1) + affinity[:, absorbing].sum(axis=1)
    # Q = W / degree, so (I - Q) y = step is the symmetric positive definite (diag(degree) - W) y = degree step.
    return solve(np.diag(degree) - affinity, degree * step, assume_a="pos")


def smoothness_score(saliency: Float64[np.ndarray, " n"]) -> float:
    """Mean over superpixels of how far their value is from the nearer end, in tenths (1 at an end, 5 in the middle)."""
    counts, _ = np.histogram(saliency, bins=10, range=(0, 1))
    return float(counts @ np.minimum(np.arange(1, 11), np.arange(10, 0, -1)) / len(saliency))
