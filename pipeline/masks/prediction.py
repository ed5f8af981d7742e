"""Saliency of whole images by a trained BAS-Net."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image
from torch import Tensor

from pipeline.images.codecs import encode_map
from pipeline.images.datasets import ImageSet
from pipeline.masks.basnet import BasNet
from pipeline.params import PredictSaliency
from pipeline.runtime import device

# Below one grey level of the stored map there is no contrast to stretch, only rounding.
LEAST_RANGE = 1 / 255


def predict(
    network: BasNet, images: ImageSet, settings: PredictSaliency, batch: Sequence[int]
) -> Iterator[tuple[str, bytes]]:
    """Id and saliency map (grey PNG at original size) of every image of a batch, from the refined output."""
    pixels = torch.stack([images.squared(i, settings.size) for i in batch])
    for i, saliency in zip(batch, refined(network.to(device()).eval(), pixels), strict=True):
        found = stretched(saliency) if settings.stretch else saliency
        yield images.ids[i], encode_map(resized(found, *images.sizes[i].tolist()))


def provenance(model: Path, config: Mapping[str, Any], settings: PredictSaliency) -> dict[str, object]:
    """Where the maps of the network in the file `model` come from, for their metadata.

    Its `config` tells whether it learned from pseudo-labels or from ground truth.
    """
    return {
        "estimator": "basnet",
        "supervision": config["supervision"],
        "weights": hashlib.sha256(model.read_bytes()).hexdigest(),
        **settings.model_dump(include={"size", "stretch"}),
    }


@torch.inference_mode()
def refined(network: BasNet, pixels: Float32[Tensor, "b 3 size size"]) -> Float32[np.ndarray, "b size size"]:
    """Probabilities of the refined output, for RGB images in [0, 1]."""
    return network(pixels.to(device()))[:, 0].sigmoid().cpu().numpy()


def stretched(saliency: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """The map with its minimum moved to 0 and its maximum to 1; a constant map stays as it is."""
    low, high = saliency.min(), saliency.max()
    return saliency if high - low < LEAST_RANGE else (saliency - low) / (high - low)


def resized(saliency: Float32[np.ndarray, "h w"], height: int, width: int) -> Float32[np.ndarray, "height width"]:
    """Bilinear resize, as the images were brought to the square."""
    return np.asarray(Image.fromarray(saliency).resize((width, height), Image.Resampling.BILINEAR))
