"""Colours as Pillow changes them, one image after the other and rounded to bytes after every operation.

This is what torchvision does to images of Pillow, and so what the authors' code does; slow, to compare with.
"""

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision.transforms import functional

from pipeline.images.colours import OPERATIONS, Colours

ADJUST = {
    "none": lambda image, _: image,
    "brightness": functional.adjust_brightness,
    "contrast": functional.adjust_contrast,
    "saturation": functional.adjust_saturation,
    "hue": functional.adjust_hue,
    "blur": lambda image, sigma: image.filter(ImageFilter.GaussianBlur(sigma)),
}


def coloured(images: UInt8[Tensor, "b 3 h w"], colours: Colours) -> Float32[Tensor, "b 3 h w"]:
    """The views in [0, 1], on the device of `images`."""
    changed = [
        _coloured(Image.fromarray(pixels), *steps)
        for pixels, *steps in zip(images.permute(0, 2, 3, 1).cpu().numpy(), *map(Tensor.tolist, colours), strict=True)
    ]
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).to(images.device).float().div_(255)


def _coloured(image: Image.Image, operations: list[int], amounts: list[float]) -> UInt8[np.ndarray, "h w 3"]:
    for operation, amount in zip(operations, amounts, strict=True):
        image = ADJUST[OPERATIONS[operation]](image, amount)
    return np.asarray(image)
