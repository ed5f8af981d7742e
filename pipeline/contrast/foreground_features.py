"""Any network's features pooled over the foreground that MaskContrast found, and in cells.

So what the masks give and what the learning gives stand apart: on the same pixels only the features differ.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float16, Float32, UInt8
from torch import Tensor, nn

from pipeline.contrast.prototypes import pool_pixels
from pipeline.embedding_store import EmbeddingStore, cutoff
from pipeline.images.datasets import ImageSet, square_batches
from pipeline.progress import track

# Of a stored probability of 0 or 1, half a grey level inside, so that its logit is finite.
HALF_LEVEL = 0.5 / 255


class ForegroundFeatures(NamedTuple):
    """`pooled`: a vector an image, zero where nothing is salient or none was asked for; `cells` of the stored split."""

    pooled: Float32[np.ndarray, "n d"]
    cells: Float16[np.ndarray, "m g g d"]


@torch.inference_mode()
def foreground_features(
    network: nn.Module, images: ImageSet, stored: EmbeddingStore, splits: Sequence[str], device: torch.device
) -> ForegroundFeatures:
    """The last features of `network`, a backbone, on the images of `splits`; pooled and averaged as `stored` was.

    Size, threshold, weights and cells are those that the file `stored` was made with, and the cells are those of the
    images of its split. Raises InputError when it is about other images.
    """
    stored.require_ids(images)
    made, network = stored.metadata, network.eval().to(device)
    row_of = {int(i): row for row, i in enumerate(images.split(made["split"]))}
    wanted = np.unique(np.concatenate([[*row_of], *(images.split(split) for split in splits)])).astype(np.int64)
    pooled, cells = np.zeros((0, 0), dtype=np.float32), np.zeros((0, 0, 0, 0), dtype=np.float16)
    batches = square_batches(images, wanted, made["size"], made["batch"])
    for chosen, batch in track(batches, "features", total=-(-len(wanted) // made["batch"]), unit="batch"):
        maps = network(batch.to(device))[-1]
        if not pooled.size:
            pooled = np.zeros((len(images), maps.shape[1]), dtype=np.float32)
            cells = np.zeros((len(row_of), made["cells"], made["cells"], maps.shape[1]), dtype=np.float16)
        saliency = torch.from_numpy(np.stack([stored.saliency(i) for i in chosen])).to(device)
        weights = pixel_weights(saliency, made["weight"], made["threshold"])
        pooled[chosen] = pool_pixels(maps, weights, made["normalize_pixels"]).cpu().numpy()
        averages = F.adaptive_avg_pool2d(maps, made["cells"]).permute(0, 2, 3, 1).cpu().numpy()
        for i, found in zip(chosen, averages, strict=True):
            if i in row_of:
                cells[row_of[i]] = found
    return ForegroundFeatures(pooled, cells)


def pixel_weights(saliency: UInt8[Tensor, "b s s"], weight: str, threshold: float) -> Float[Tensor, "b s s"]:
    """The weight of every pixel, 0 outside the foreground, from saliency as it is stored (probability times 255)."""
    probability = saliency / 255
    weights = {
        "uniform": torch.ones_like(probability),
        "probability": probability,
        "logit": probability.logit(HALF_LEVEL),
    }[weight]
    return weights * (saliency > cutoff(threshold))
