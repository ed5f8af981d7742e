"""The objects that a predictor finds in images: their pixels, their clusters, and how clear the choice was.

An image is a grid of square tiles, mostly of one. The network sees tile by tile, and their maps are put together before
anything is pooled, so that an object may reach over several. With one tile an image, and `whole` objects, everything is
what the stages `embed` and `cluster` find.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int32, UInt8
from scipy import ndimage
from torch import Tensor

from pipeline.contrast.centroids import nearest_centroids
from pipeline.contrast.foreground import foreground_weights
from pipeline.contrast.predictor import Predictor
from pipeline.contrast.prototypes import pool_pixels
from pipeline.derived_params import threshold_probability
from pipeline.embedding_store import cutoff

# Objects that are pooled at a time take this many pixels together at most.
TOGETHER = 2**23

# Rows and columns of tiles, their sides, RGB; sizes differ from image to image.
Tiles = UInt8[np.ndarray, "_ _ _ _ 3"]


class ObjectRule(NamedTuple):
    """What one object is: the `whole` foreground of an image, or each connected part of it.

    `components` of less than `min_area`, a fraction of the image, are background.
    """

    kind: Literal["whole", "components"]
    min_area: float


WHOLE = ObjectRule("whole", 0.0)


class Objects(NamedTuple):
    """Of one image: `regions` are 0 in the background and i in object i, whose cluster is `clusters[i - 1]`.

    Clusters are numbered from 1; confidences are margins in [0, 1] of `centroids.nearest_centroids`.
    """

    regions: Int32[np.ndarray, "_ _"]
    clusters: list[int]
    confidences: list[float]


@torch.inference_mode()
def find_objects(
    predictor: Predictor, images: Sequence[Tiles], rule: ObjectRule, batch: int, device: torch.device
) -> list[Objects]:
    """The objects of every image; the network sees `batch` tiles at a time."""
    tiles = torch.from_numpy(np.concatenate([image.reshape(-1, *image.shape[2:]) for image in images]))
    seen = [predictor.maps(part.to(device).permute(0, 3, 1, 2).float() / 255) for part in tiles.split(batch)]
    counts = [image.shape[0] * image.shape[1] for image in images]
    features, logits = (torch.cat(maps).split(counts) for maps in zip(*seen, strict=True))
    grids = [(image.shape[0], image.shape[1]) for image in images]
    found: dict[int, Objects] = {}
    for grid in dict.fromkeys(grids):
        chosen = [i for i, other in enumerate(grids) if other == grid]
        wide, salient = (_joined(torch.stack([maps[i] for i in chosen]), grid) for maps in (features, logits))
        found |= zip(chosen, _objects(predictor, wide, salient, grid, rule), strict=True)
    return [found[i] for i in range(len(images))]


def _joined(maps: Float[Tensor, "b t d h w"], grid: tuple[int, int]) -> Float[Tensor, "b d _ _"]:
    """The maps of the tiles of each image, in reading order, as one."""
    b, _, d, h, w = maps.shape
    rows, columns = grid
    return maps.view(b, rows, columns, d, h, w).permute(0, 3, 1, 4, 2, 5).reshape(b, d, rows * h, columns * w)


def _objects(
    predictor: Predictor,
    features: Float[Tensor, "b d h w"],
    logits: Float[Tensor, "b 1 h w"],
    grid: tuple[int, int],
    rule: ObjectRule,
) -> list[Objects]:
    size = (grid[0] * predictor.size, grid[1] * predictor.size)
    saliency, weights = foreground_weights(logits, size, predictor.pooling)
    salient = saliency > cutoff(threshold_probability(predictor.pooling))
    regions = [regions_of(foreground, rule) for foreground in salient.cpu().numpy()]
    owners = [(image, i) for image, found in enumerate(regions) for i in range(1, int(found.max(initial=0)) + 1)]
    pooled = [np.zeros((0, features.shape[1]), dtype=np.float32)]
    step = max(1, TOGETHER // (size[0] * size[1]))
    for start in range(0, len(owners), step):
        part = owners[start : start + step]
        rows = torch.tensor([image for image, _ in part], device=features.device)
        own = np.stack([regions[image] == i for image, i in part])
        kept = weights[rows] * torch.from_numpy(own).to(weights.device)
        pooled.append(pool_pixels(features[rows], kept, predictor.pooling.normalize_pixels).cpu().numpy())
    nearest = nearest_centroids(predictor.projection.apply(np.concatenate(pooled)), predictor.centroids)
    of_image = [[row for row, (owner, _) in enumerate(owners) if owner == image] for image in range(len(regions))]
    return [
        Objects(found, (nearest.centroid[rows] + 1).tolist(), nearest.margin[rows].tolist())
        for found, rows in zip(regions, of_image, strict=True)
    ]


def regions_of(foreground: Bool[np.ndarray, "h w"], rule: ObjectRule) -> Int32[np.ndarray, "h w"]:
    """0 in the background and i in object i: one at most, or the components that are large enough, largest first."""
    if rule.kind == "whole":
        return foreground.astype(np.int32)
    parts = np.zeros(foreground.shape, dtype=np.int32)
    ndimage.label(foreground, output=parts)
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    order = areas.argsort(kind="stable")[::-1]
    kept = order[areas[order] >= max(1, rule.min_area * foreground.size)]
    numbers = np.zeros(len(areas), dtype=np.int32)
    numbers[kept] = np.arange(1, len(kept) + 1)
    return numbers[parts]
