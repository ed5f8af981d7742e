"""The geometry of a view: a random crop, resized to a square of bytes and perhaps mirrored."""

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, UInt8
from PIL import Image
from torch import Tensor

RATIO = (3 / 4, 4 / 3)
CROP_TRIES = 10


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


def resized_mask(mask: Bool[np.ndarray, "h w"], size: int) -> Bool[np.ndarray, "s s"]:
    """Nearest neighbour: the pixel under the centre of each output pixel."""
    rows, columns = ((2 * np.arange(size) + 1) * side // (2 * size) for side in mask.shape)
    # One axis after the other: ten times faster than both at once.
    return mask[rows].take(columns, axis=1)


def resized_image(
    crop: UInt8[np.ndarray, "h w 3"], size: int, transforms: Literal["fast", "exact"]
) -> UInt8[Tensor, "s s 3"]:
    """Bilinear, antialiased where it shrinks; `exact` is Pillow's, `fast` differs from it by 1 of 255 at most.

    `fast` takes a quarter of the time: PyTorch has the same fixed-point arithmetic with vector instructions.
    """
    if transforms == "exact":
        square = np.array(Image.fromarray(crop).resize((size, size), Image.Resampling.BILINEAR))
        return torch.from_numpy(square)
    # A copy, since the image may be shared with other processes and read-only.
    pixels = torch.from_numpy(crop.copy())[None].permute(0, 3, 1, 2)
    return F.interpolate(pixels, (size, size), mode="bilinear", antialias=True)[0].permute(1, 2, 0)
