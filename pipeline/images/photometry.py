"""Colours of a batch of views at once, on the device that holds it; `compiled_photometry` does the same on a CPU.

Every image has its own operations, amounts and order. Under either preset a photograph is on average 1.2 of 255 levels
off Pillow's (`exact_photometry`), 4 at most, and 999 of 1000 of its values within 21. That is Pillow's rounding: it
cuts to bytes after every operation, knows 256 hues, and blurs by means over boxes. Here hue is turned in HSV, too.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import Tensor

from pipeline.images.colours import OPERATIONS, STEPS, Colours


def coloured(images: UInt8[Tensor, "b 3 h w"], colours: Colours) -> Float32[Tensor, "b 3 h w"]:
    """The views in [0, 1], step by step, each operation on those images whose turn it has.

    `colours` stay on the CPU, so that nobody waits for the device to know what is next.
    """
    images = images / 255
    for step, operations in zip(range(STEPS), colours.operations.T.tolist(), strict=True):
        for name in OPERATIONS[1:]:
            rows = [i for i, operation in enumerate(operations) if OPERATIONS[operation] == name]
            if rows:
                some = images[rows]
                ADJUST[name](some, colours.amounts[rows, step])
                images[rows] = some
    return images


def _per_image(amounts: Float32[Tensor, " b"], images: Float32[Tensor, "b 3 h w"]) -> Float32[Tensor, "b 1 1 1"]:
    return amounts.view(-1, 1, 1, 1).to(images.device, non_blocking=True)


def _brighten(images: Float32[Tensor, "b 3 h w"], amounts: Float32[Tensor, " b"]) -> None:
    images.mul_(_per_image(amounts, images)).clamp_(0, 1)


def _contrast(images: Float32[Tensor, "b 3 h w"], amounts: Float32[Tensor, " b"]) -> None:
    factors, mean = _per_image(amounts, images), _grey(images.mean((2, 3), keepdim=True))
    images.mul_(factors).add_((1 - factors) * mean).clamp_(0, 1)


def _saturate(images: Float32[Tensor, "b 3 h w"], amounts: Float32[Tensor, " b"]) -> None:
    images.lerp_(_grey(images), 1 - _per_image(amounts, images)).clamp_(0, 1)


def _grey(images: Float32[Tensor, "b 3 h w"]) -> Float32[Tensor, "b 1 h w"]:
    """Luma of ITU-R 601, as in Pillow."""
    red, green, blue = images.split(1, dim=1)
    return (red * 0.299).add_(green, alpha=0.587).add_(blue, alpha=0.114)


def _turn_hue(images: Float32[Tensor, "b 3 h w"], amounts: Float32[Tensor, " b"]) -> None:
    """Turn the hue of HSV; value and saturation stay, so a pixel keeps its largest and its least channel's values.

    Written without choices per pixel, which vector instructions do not have. With channels stretched to 0 and 1, hue in
    sixths of the circle lies `2 + red - green - blue` off cyan, to the side of the larger one of green and blue.
    """
    red, green, blue = images.unbind(1)
    least = torch.minimum(torch.minimum(red, green), blue)
    spread = torch.maximum(torch.maximum(red, green), blue).sub_(least)
    off_cyan = (red - green).sub_(blue).add_(least).div_(spread + 1e-12).add_(2)
    hue = torch.copysign(off_cyan, blue - green).add_(3 + 6 * _per_image(amounts, images)[:, 0])
    hue.sub_((hue / 6).floor_(), alpha=6)
    torch.addcmul(least, spread, (hue - 3).abs_().sub_(1).clamp_(0, 1), out=red)
    for channel, peak in ((green, 2), (blue, 4)):
        torch.addcmul(least, spread, (hue - peak).abs_().sub_(2).clamp_(-1, 0), value=-1, out=channel)


def blur(images: Float32[Tensor, "b 3 h w"], amounts: Float32[Tensor, " b"]) -> None:
    """Gaussian blur to three standard deviations, the border repeated; tap by tap, for each image has its weights."""
    reach = int(3 * amounts.max())
    away = torch.arange(-reach, reach + 1).abs() / amounts[:, None]
    taps = torch.exp(-0.5 * away**2) * (away <= 3)
    weights = (taps / taps.sum(dim=1, keepdim=True)).to(images.device, non_blocking=True)[..., None, None, None]
    for dim, padding in ((2, (0, 0, reach, reach)), (3, (reach, reach, 0, 0))):
        size = images.shape[dim]
        padded = F.pad(images, padding, mode="replicate")
        images.zero_()
        for i in range(2 * reach + 1):
            images.addcmul_(padded.narrow(dim, i, size), weights[:, i])


ADJUST = {
    "brightness": _brighten,
    "contrast": _contrast,
    "saturation": _saturate,
    "hue": _turn_hue,
    "blur": blur,
}
