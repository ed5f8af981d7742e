"""Robust background detection: regions that reach the image border along alike neighbours are background.

W. Zhu, S. Liang, Y. Wei, J. Sun, "Saliency optimization from robust background detection", CVPR 2014.
Colours are Lab (L in 0..100), so all colour distances and sigmas are Lab units.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8
from scipy.linalg import solve
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial.distance import cdist
from skimage.filters import threshold_otsu

from pipeline.params import Rbd
from pipeline.priors.superpixels import adjacency, paint, segment, touches_border, two_ring, unit_range

# A region more tightly bound to the border than this is background beyond doubt and gets this weight.
CERTAIN_CONNECTIVITY, CERTAIN_WEIGHT = 3.0, 1000.0


class ColourScales(NamedTuple):
    """Lab distances adapted to one image: `clip` counts as none at all, the others are kernel widths."""

    clip: float
    geodesic_sigma: float
    neighbour_sigma: float


def rbd(image: UInt8[np.ndarray, "h w 3"], settings: Rbd) -> Float32[np.ndarray, "h w"]:
    """Saliency in [0, 1] of an RGB image; all zero when no region stands out."""
    regions = segment(image, settings.superpixels, settings.compactness)
    saliency = graph_saliency(
        cdist(regions.colours, regions.colours),
        cdist(regions.positions, regions.positions),
        adjacency(regions.labels),
        touches_border(regions.labels, settings.boundary_band),
        settings,
    )
    return paint(regions.labels, saliency)


def graph_saliency(
    colour_distance: Float64[np.ndarray, "n n"],
    position_distance: Float64[np.ndarray, "n n"],
    linked: Bool[np.ndarray, "n n"],
    border: Bool[np.ndarray, " n"],
    settings: Rbd,
) -> Float64[np.ndarray, " n"]:
    """Saliency of every superpixel in [0, 1]: the least-squares agreement of background and contrast cues."""
    if not linked.any():
        return np.zeros(len(linked))
    border_pairs = border[:, None] & border
    near = two_ring(linked)
    scales = colour_scales(colour_distance, linked, near)
    geodesic = geodesic_distance(colour_distance, linked | border_pairs, scales)
    connectivity = boundary_connectivity(geodesic, border, scales.geodesic_sigma)
    background = 1 - np.exp(-(connectivity**2) / 2)
    contrast = background_contrast(colour_distance, position_distance, background, settings.position_sigma)
    weights = kernel(colour_distance, scales.neighbour_sigma) * (near | border_pairs) + settings.smoothness * linked
    certain = np.where(connectivity > CERTAIN_CONNECTIVITY, CERTAIN_WEIGHT, background)
    return unit_range(optimum(weights, settings.background_weight * certain, contrast))


def colour_scales(
    colour_distance: Float64[np.ndarray, "n n"], linked: Bool[np.ndarray, "n n"], near: Bool[np.ndarray, "n n"]
) -> ColourScales:
    """Scales from the distance to the most alike neighbour (`linked`; `near` reaches two rings) and the top 1 %."""
    nearest = np.where(linked, colour_distance, np.inf).min(axis=1).mean()
    clip = np.where(near, colour_distance, np.inf).min(axis=1).mean()
    edges = np.sort(colour_distance[np.triu(linked)])
    top = edges[-max(1, round(len(edges) / 100)) :].mean()
    return ColourScales(
        clip=float(clip),
        geodesic_sigma=float(max(5.0, min(10.0, 3 * nearest, top / 10))),
        neighbour_sigma=float(min(3 * nearest, 0.2 * top, 20.0)),
    )


def kernel(distance: Float64[np.ndarray, "n n"], sigma: float) -> Float64[np.ndarray, "n n"]:
    """exp(-d^2 / 2 sigma^2), and 0 beyond 3 sigma. In a flat image sigma may be 0: then equal is 1, different 0."""
    relative = distance / max(sigma, 1e-12)
    return np.where(relative <= 3, np.exp(-(relative**2) / 2), 0.0)


def geodesic_distance(
    colour_distance: Float64[np.ndarray, "n n"], edges: Bool[np.ndarray, "n n"], scales: ColourScales
) -> Float64[np.ndarray, "n n"]:
    """Shortest path over `edges`, a step costing its colour distance beyond the clip; infinite where irrelevant."""
    steps = np.maximum(colour_distance[edges] - scales.clip, 0)
    # Sparse, because a step of length 0 is no edge in a dense graph; limited, because the kernel is 0 beyond.
    graph = csr_array((steps, np.nonzero(edges)), shape=edges.shape)
    return dijkstra(graph, limit=3 * scales.geodesic_sigma)


def boundary_connectivity(
    geodesic: Float64[np.ndarray, "n n"], border: Bool[np.ndarray, " n"], sigma: float
) -> Float64[np.ndarray, " n"]:
    """Length along the image border over the square root of the area, of the soft region around each superpixel."""
    alike = kernel(geodesic, sigma)
    return alike[:, border].sum(axis=1) / np.sqrt(alike.sum(axis=1))


def background_contrast(
    colour_distance: Float64[np.ndarray, "n n"],
    position_distance: Float64[np.ndarray, "n n"],
    background: Float64[np.ndarray, " n"],
    sigma: float,
) -> Float64[np.ndarray, " n"]:
    """Colour contrast to nearby background, in [0, 1]; what is below Otsu's threshold is set to 0."""
    contrast = unit_range((colour_distance * kernel(position_distance, sigma)) @ background)
    return np.where(contrast < threshold_otsu(contrast), 0.0, contrast)


def optimum(
    weights: Float64[np.ndarray, "n n"], background: Float64[np.ndarray, " n"], foreground: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    """The s that minimises sum background s^2 + foreground (s - 1)^2 + sum over pairs weights (s_i - s_j)^2."""
    between = weights - np.diag(np.diag(weights))
    system = np.diag(between.sum(axis=1) + background + foreground) - between
    return solve(system, foreground, assume_a="pos")
