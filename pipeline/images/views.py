"""The two augmented views of a training image (MaskContrast section 4.1).

Each view: a random crop resized to a square, colour jitter, grey, blur, horizontal flip; the mask goes through the same
geometry. The part of a loader is the geometry, on bytes; colours are only drawn there, and a whole batch of views is
coloured where it is needed. Images end in [0, 1]: normalisation belongs to the backbone.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8
from torch import Tensor

from pipeline import params
from pipeline.derived_params import chosen_jitter
from pipeline.images import compiled_photometry, exact_photometry, photometry
from pipeline.images.colours import Colours, draw_colours
from pipeline.images.crops import Box, draw_box, resized_image, resized_mask


class View(NamedTuple):
    """One view or a batch of them: pixels whose colours are still to be changed, and the mask of the same pixels."""

    image: UInt8[Tensor, "*b s s 3"]
    mask: Bool[Tensor, "*b s s"]
    colours: Colours


class Crop(NamedTuple):
    """Where a view lies, and its part of the mask."""

    box: Box
    mask: Bool[np.ndarray, "s s"]


def draw_crops(
    mask: Bool[np.ndarray, "h w"], settings: params.Views, rng: np.random.Generator
) -> tuple[Crop, Crop] | None:
    """Query and key crop; None when in `max_tries` draws the mask filled too little or too much of either.

    The filled fraction of both lies above `min_foreground` and not above `max_foreground`. Whether views are accepted
    depends on their crops alone, so no image is decoded, and no colour drawn, for those that are not.
    """
    height, width = mask.shape
    for _ in range(settings.max_tries):
        boxes = [draw_box(height, width, settings.min_scale, rng) for _ in range(2)]
        query, key = (Crop(box, resized_mask(mask[box.slices], settings.size)) for box in boxes)
        filled = [np.count_nonzero(crop.mask) / crop.mask.size for crop in (query, key)]
        if settings.min_foreground < min(filled) and max(filled) <= settings.max_foreground:
            return query, key
    return None


def cut_view(image: UInt8[np.ndarray, "h w 3"], crop: Crop, settings: params.Views, rng: np.random.Generator) -> View:
    """The view at `crop`, perhaps mirrored, and what is to happen to its colours."""
    square = resized_image(image[crop.box.slices], settings.size, settings.transforms)
    mask = torch.from_numpy(crop.mask)
    jitter = chosen_jitter(settings)
    if rng.random() < jitter.flip_probability:
        square, mask = square.flip(1), mask.flip(1)
    return View(square, mask, draw_colours(jitter, rng))


def on_device(
    views: View, settings: params.Views, device: torch.device
) -> tuple[Float32[Tensor, "b 3 s s"], Bool[Tensor, "b s s"]]:
    """A batch of views as images in [0, 1] with their colours changed, and masks, both on `device`."""
    images, masks = (part.to(device, non_blocking=True) for part in views[:2])
    fast = compiled_photometry if device.type == "cpu" else photometry
    how = exact_photometry if settings.transforms == "exact" else fast
    return how.coloured(images.permute(0, 3, 1, 2), views.colours), masks
