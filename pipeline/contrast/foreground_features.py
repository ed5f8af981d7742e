"""Any network's features pooled over the foreground that MaskContrast found, and in cells.

So what the masks give and what the learning gives stand apart: on the same pixels only the features differ.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float16, Float32, UInt8
from torch import Tensor, nn

from pipeline.contrast.cells import cell_features
from pipeline.contrast.prototypes import pool_pixels
from pipeline.embedding_store import EmbeddingStore, cutoff
from pipeline.images.datasets import ImageSet, square_batches
from pipeline.progress import track

# Of a stored probability of 0 or 1, half a grey level inside, so that its logit is finite.
HALF_LEVEL = 0.5 / 255
# Images at once. Their number changes no feature by more than rounding.
BATCH = 16


class ForegroundFeatures(NamedTuple):
    """`pooled`: a vector an image, zero where nothing is salient or none was asked for; `cells` of one split."""

    pooled: Float32[np.ndarray, "n d"]
    cells: Float16[np.ndarray, "m g g d"]


@torch.inference_mode()
def foreground_features(
    network: nn.Module,
    images: ImageSet,
    stored: EmbeddingStore,
    splits: Sequence[str],
    cell_split: str,
    device: torch.device,
) -> ForegroundFeatures:
    """The last features of `network`, a backbone: pooled on the images of `splits`, in cells on those of `cell_split`.

    Size, threshold, weights and grid are those that the file `stored` was made with. Images of `cell_split` are pooled
    too. Raises InputError when the file is about other images.
    """
    stored.require_ids(images)
    made, network = stored.metadata, network.eval().to(device)
    with_cells = images.split(cell_split)
    wanted, members = np.unique(np.concatenate([with_cells, *map(images.split, splits)])), set(with_cells.tolist())
    vectors, cells = [], []
    batches = square_batches(images, wanted, made["size"], BATCH)
    for chosen, batch in track(batches, "features", total=-(-len(wanted) // BATCH), unit="batch"):
        maps = network(batch.to(device))[-1]
        saliency = torch.from_numpy(np.stack([stored.saliency(i) for i in chosen])).to(device)
        weights = pixel_weights(saliency, made["pooling"]["weight"], made["threshold"])
        vectors.append(pool_pixels(maps, weights, made["pooling"]["normalize_pixels"]).cpu().numpy())
        features = cell_features(maps, made["cells"]["grid"])
        cells += [kept for i, kept in zip(chosen, features, strict=True) if i in members]
    pooled = np.zeros((len(images), vectors[0].shape[1]), dtype=np.float32)
    pooled[wanted] = np.concatenate(vectors)
    return ForegroundFeatures(pooled, np.stack(cells))


def pixel_weights(saliency: UInt8[Tensor, "b s s"], weight: str, threshold: float) -> Float[Tensor, "b s s"]:
    """The weight of every pixel, 0 outside the foreground, from saliency as it is stored (probability times 255)."""
    probability = saliency / 255
    weights = {
        "uniform": torch.ones_like(probability),
        "probability": probability,
        "logit": probability.logit(HALF_LEVEL),
    }[weight]
    return weights * (saliency > cutoff(threshold))
