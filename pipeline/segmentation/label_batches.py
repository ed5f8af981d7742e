"""Labelled images as squares: what a pixel classifier learns from."""

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.images.nearest import nearest
from pipeline.metrics.confusion import IGNORED


def labelled_split(images: ImageSet, labels: LabelSet, split: str) -> Int64[np.ndarray, " m"]:
    """Indices in `images` of a split's images, of a partly labelled set only the labelled ones.

    InputError when the split is unknown or empty, and when another set is not labelled throughout or nothing here is.
    """
    indices = images.split(split)
    if not len(indices):
        raise InputError(f"split {split!r} of {images.path} is empty; name a split with images")
    unlabelled = sorted({images.ids[i] for i in indices} - set(labels.ids))
    if labels.partly and len(unlabelled) < len(indices):
        return np.array([i for i in indices if images.ids[i] in labels.ids], dtype=np.int64)
    if unlabelled:
        raise InputError(
            f"split {split!r} of {images.path}: {len(unlabelled)} of {len(indices)} images have no labels in "
            f"{labels.path} (first {unlabelled[0]}); pack their label maps or name a labelled split"
        )
    return indices


def square_pair(
    image: UInt8[np.ndarray, "h w 3"], labels: UInt8[np.ndarray, "h w"], size: int
) -> tuple[Float32[Tensor, "3 {size} {size}"], UInt8[Tensor, "{size} {size}"]]:
    """RGB in [0, 1] (antialiased bilinear) and class indices (nearest) as squares, whatever the aspect."""
    square = np.array(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
    return torch.from_numpy(square).permute(2, 0, 1).float() / 255, torch.from_numpy(nearest(labels, (size, size)))


class LabelledSquares(Dataset):
    """The images `indices` with their label maps; item j is image `indices[j]`."""

    def __init__(self, images: ImageSet, labels: LabelSet, indices: Int64[np.ndarray, " m"], size: int) -> None:
        self.images, self.labels, self.size = images, labels, size
        self.ids = [images.ids[i] for i in indices]
        self.classes: list[str] = labels.classes

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, j: int) -> tuple[Float32[Tensor, "3 s s"], UInt8[Tensor, "s s"]]:
        return square_pair(*self.original(j), self.size)

    def original(self, j: int) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
        """Pixels and label map of item j at its original size; InputError when their sizes differ."""
        image, labels = self.images.rgb(self.images.index(self.ids[j])), self.truth(j)
        if labels.shape != image.shape[:2]:
            raise InputError(
                f"{self.ids[j]} is {image.shape[:2]} pixels and its label map {labels.shape} (height, width); "
                f"pack a label map of the image's size into {self.labels.path}"
            )
        return image, labels

    def truth(self, j: int) -> UInt8[np.ndarray, "h w"]:
        """Label map of item j at its original size; InputError when it holds a class without a name."""
        labels = self.labels.labels(self.labels.index(self.ids[j]))
        unknown = labels[(labels >= len(self.classes)) & (labels != IGNORED)]
        if len(unknown):
            raise InputError(
                f"the label map of {self.ids[j]} holds class {unknown[0]} but only {len(self.classes)} classes are "
                "named; name all classes in pack_images"
            )
        return labels
