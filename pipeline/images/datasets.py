"""Packed sets as arrays and batches: images, saliency maps, label maps."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from PIL import Image
from torch import Tensor

from pipeline.images.codecs import decode_image, decode_labels, decode_map
from pipeline.packed import Packed


def partly_labelled(labels: Packed) -> bool:
    """Whether images without a label map are no mistake, but wait for theirs."""
    return labels.metadata.get("partly", False)


class ImageSet(Packed):
    """A packed set of images."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "images")

    def rgb(self, i: int) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels of image i at its original size."""
        return decode_image(self[i])

    def squared(self, i: int, size: int) -> Float32[Tensor, "3 size size"]:
        """Image i as RGB in [0, 1], resized to a square whatever its aspect (antialiased bilinear)."""
        image = Image.fromarray(self.rgb(i)).resize((size, size), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


class MapSet(Packed):
    """A packed set of saliency maps."""

    def __init__(self, path: Path, content: str = "maps") -> None:
        super().__init__(path, content)

    def map(self, i: int) -> Float32[np.ndarray, "h w"]:
        """Saliency of image i in [0, 1] at its original size."""
        return decode_map(self[i])

    def squared(self, i: int, size: int) -> Float32[Tensor, "size size"]:
        """Saliency of image i resized to a square (antialiased bilinear)."""
        saliency = Image.fromarray(self.map(i)).resize((size, size), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(saliency))


class ObjectSet(MapSet):
    """A packed set of label maps read as saliency: 1 in every class but background, 0 there and where ignored."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "labels")

    def map(self, i: int) -> Float32[np.ndarray, "h w"]:
        """Saliency of image i at its original size, 0 or 1."""
        labels = decode_labels(self[i])
        return ((labels > 0) & (labels < 255)).astype(np.float32)


class LabelSet(Packed):
    """A packed set of label maps; it may hold fewer images than the image set it belongs to."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "labels")

    @property
    def partly(self) -> bool:
        """Whether images without a label map are no mistake, but wait for theirs."""
        return partly_labelled(self)

    @property
    def classes(self) -> list[str]:
        """Class names; index 0 is background."""
        return self.metadata["classes"]

    def labels(self, i: int) -> UInt8[np.ndarray, "h w"]:
        """Class index of every pixel of image i at its original size; 255 is ignored."""
        return decode_labels(self[i])


def square_batches(
    images: ImageSet, indices: Int64[np.ndarray, " m"] | Sequence[int], size: int, batch: int
) -> Iterator[tuple[list[int], Float[Tensor, "b 3 size size"]]]:
    """Images in the given order, as squares, in batches with their indices; the last batch may be smaller."""
    for start in range(0, len(indices), batch):
        chosen = [int(i) for i in indices[start : start + batch]]
        yield chosen, torch.stack([images.squared(i, size) for i in chosen])


def shuffled_batches(
    indices: Int64[np.ndarray, " m"], batch: int, rng: np.random.Generator, keep_last: bool = True
) -> list[list[int]]:
    """The indices in random order, cut into batches."""
    order = rng.permutation(indices).tolist()
    batches = [order[start : start + batch] for start in range(0, len(order), batch)]
    return batches if keep_last or len(batches[-1]) == batch else batches[:-1]
