"""Regions of an image by hierarchical segmentation, the proposals that objects are compared with in the paper.

In table 2a of MaskContrast they are the hierarchy of Arbelaez et al. (T-PAMI 2010) on learned edges, at a level that is
not told. Here the hierarchy is scikit-image's, and nothing in it is learned: small regions of similar colour
(Felzenszwalb and Huttenlocher, IJCV 2004), the most similar neighbours merged again and again until none are alike.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Integer, UInt8
from skimage import graph
from skimage.color import rgb2lab
from skimage.segmentation import felzenszwalb

from pipeline.params import Regions

SMOOTHING, LEAST_PIXELS = 0.8, 20


def hierarchical_regions(image: UInt8[np.ndarray, "h w 3"], settings: Regions) -> Integer[np.ndarray, "h w"]:
    """The regions of an RGB image, numbered from 1; every pixel belongs to one."""
    first = felzenszwalb(image, settings.scale, SMOOTHING, LEAST_PIXELS)
    if not first.any():
        return first + 1  # a single region has no neighbours to build a graph of
    similar = graph.merge_hierarchical(
        first,
        colour_graph(image, first),
        thresh=settings.merge_below,
        rag_copy=False,
        in_place_merge=True,
        merge_func=_merge,
        weight_func=lambda regions, _, merged, other: {
            "weight": _distance(regions.nodes[merged], regions.nodes[other])
        },
    )
    return np.asarray(similar) + 1


def colour_graph(image: UInt8[np.ndarray, "h w 3"], labels: Integer[np.ndarray, "h w"]) -> graph.RAG:
    """Regions 0..n-1 with `sum` (of Lab) and `pixels`; the edge between neighbours weighs their colours' distance."""
    # The graph of boundaries is built by array operations, that of mean colours pixel by pixel.
    regions = graph.rag_boundary(labels, np.zeros(labels.shape))
    pixels = np.bincount(labels.ravel())
    sums = np.stack([np.bincount(labels.ravel(), channel.ravel()) for channel in np.moveaxis(rgb2lab(image), -1, 0)], 1)
    for region, node in regions.nodes.items():
        node["sum"], node["pixels"] = sums[region], pixels[region]
    for one, other, edge in regions.edges.data():
        edge["weight"] = _distance(regions.nodes[one], regions.nodes[other])
    return regions


def _merge(regions: graph.RAG, source: int | np.integer, target: int | np.integer) -> None:
    for key in ("sum", "pixels"):
        regions.nodes[target][key] = regions.nodes[target][key] + regions.nodes[source][key]


def _distance(one: Mapping, other: Mapping) -> float:
    return float(np.linalg.norm(one["sum"] / one["pixels"] - other["sum"] / other["pixels"]))
