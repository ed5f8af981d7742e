"""The two augmented views of a training image (MaskContrast section 4.1; constants of MoCo v2 without its blur).

Each view: a random crop resized to a square, colour jitter, grey, horizontal flip; the mask goes through the same
geometry. Images leave in [0, 1]: normalisation belongs to the backbone.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional

from pipeline import params

RATIO = (3 / 4, 4 / 3)
CROP_TRIES = 10


class View(NamedTuple):
    """One view: pixels in [0, 1] and the mask of the same pixels."""

    image: Float32[Tensor, "3 s s"]
    mask: Bool[Tensor, "s s"]


class Box(NamedTuple):
    """A crop, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def draw_views(
    image: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"], settings: params.Views, rng: np.random.Generator
) -> tuple[View, View] | None:
    """Query and key view; None when in `max_tries` draws the mask filled too little or too much of either view.

    The filled fraction of both views lies strictly between `min_foreground` and `max_foreground`.
    """
    height, width = mask.shape
    for _ in range(settings.max_tries):
        boxes = [draw_box(height, width, settings.min_scale, rng) for _ in range(2)]
        masks = [_resized_mask(mask[box.slices], settings.size) for box in boxes]
        # Whether views are accepted depends on their crops alone (a flip moves no pixel in or out), so colours drawn
        # after the decision have the distribution of colours drawn before it, and rejected views cost next to nothing.
        filled = [np.count_nonzero(cut) / cut.size for cut in masks]
        if settings.min_foreground < min(filled) and max(filled) < settings.max_foreground:
            query, key = (_view(image[box.slices], cut, settings, rng) for box, cut in zip(boxes, masks, strict=True))
            return query, key
    return None


def draw_box(height: int, width: int, min_scale: float, rng: np.random.Generator) -> Box:
    """A crop of `min_scale` to all of the area, its aspect log-uniform in 3/4 to 4/3, anywhere in the image.

    As torchvision's RandomResizedCrop: when ten draws do not fit, the largest central crop within the aspects.
    """
    for _ in range(CROP_TRIES):
        area = height * width * rng.uniform(min_scale, 1)
        aspect = math.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        rows, columns = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < rows <= height and 0 < columns <= width:
            top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
            return Box(int(top), int(left), rows, columns)
    rows, columns = min(height, round(width / RATIO[0])), min(width, round(height * RATIO[1]))
    return Box((height - rows) // 2, (width - columns) // 2, rows, columns)


def _resized_mask(mask: Bool[np.ndarray, "h w"], size: int) -> Bool[np.ndarray, "s s"]:
    """Nearest neighbour: the pixel under the centre of each output pixel."""
    rows, columns = (((np.arange(size) + 0.5) * side // size).astype(np.intp) for side in mask.shape)
    # One axis after the other: ten times faster than both at once.
    return mask[rows][:, columns]


def _view(
    crop: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "s s"], settings: params.Views, rng: np.random.Generator
) -> View:
    square = Image.fromarray(crop).resize(mask.shape, Image.Resampling.BILINEAR)
    if rng.random() < settings.jitter.probability:
        square = _jittered(square, settings.jitter, rng)
    if rng.random() < settings.jitter.grey_probability:
        square = functional.to_grayscale(square, num_output_channels=3)
    pixels = np.asarray(square).transpose(2, 0, 1)
    if rng.random() < settings.jitter.flip_probability:
        pixels, mask = pixels[..., ::-1], mask[:, ::-1]
    return View(torch.from_numpy(pixels.copy()).float().div_(255), torch.from_numpy(mask.copy()))


def _jittered(image: Image.Image, strength: params.Jitter, rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast, saturation and hue by random factors, in random order, as torchvision's ColorJitter."""
    adjustments = [
        (functional.adjust_brightness, _factor(strength.brightness, rng)),
        (functional.adjust_contrast, _factor(strength.contrast, rng)),
        (functional.adjust_saturation, _factor(strength.saturation, rng)),
    ]
    # A hue shifted by nothing would still be rounded twice.
    if strength.hue:
        adjustments.append((functional.adjust_hue, rng.uniform(-strength.hue, strength.hue)))
    for i in rng.permutation(len(adjustments)):
        adjust, amount = adjustments[i]
        image = adjust(image, amount)
    return image


def _factor(strength: float, rng: np.random.Generator) -> float:
    return rng.uniform(max(0.0, 1 - strength), 1 + strength)
