"""The CRF by exact mean-field on a small grid of pixels, many images at once and on any device.

With two labels and Potts compatibility one number a pixel is enough, the belief `q1 - q0 = tanh(logit / 2)`:
an update is `logit = unary + sum_m weight_m * K_m (q1 - q0)`, with each kernel symmetrically normalised.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.params import Crf
from pipeline.progress import track
from pipeline.pseudolabels.guided_upsampling import guided_upsample
from pipeline.runtime import device
from pipeline.scratch import IN_MEMORY, Scratch

REFERENCE_SIDE = 432  # the sigmas are given in pixels of an image with this longest side
CERTAINTY = 1e-5  # probabilities stay this far from 0 and 1
KERNEL_ELEMENTS = 1 << 22  # numbers in the kernels of a batch; allocators hand 16 MiB out again without clearing them
FARTHEST = -80.0  # exponents below give subnormal numbers, which take a processor ten times as long


def sharpen_on_grid(
    images: UInt8[Tensor, "n 3 h w"], saliency: Float[Tensor, "n h w"], settings: Crf, scratch: Scratch = IN_MEMORY
) -> Float[Tensor, "n h w"]:
    """Saliency in [0, 1] after the CRF has moved its borders to those of the RGB images (0..255).

    What the pixels tell each other is computed on the grid and takes on the images' borders on the way back to their
    size; what they think themselves never leaves it.
    """
    height, width = saliency.shape[1:]
    factor = min(1.0, settings.grid / max(height, width))
    grid = (max(1, round(height * factor)), max(1, round(width * factor)))
    chunk = max(1, KERNEL_ELEMENTS // (grid[0] * grid[1]) ** 2)
    sharpened = scratch.tensor(saliency.shape, saliency.dtype)
    for start in track(range(0, len(saliency), chunk), "CRF", unit="batch"):
        part = slice(start, start + chunk)
        colours, probabilities = images[part].to(device()).float(), saliency[part].to(device())
        small = _shrink(colours, grid)
        messages = mean_field(small, _shrink(probabilities[:, None], grid)[:, 0], settings)
        sharpened[part] = (_unary(probabilities) + guided_upsample(messages, small, colours)).sigmoid().cpu()
    return sharpened


def mean_field(
    images: Float[Tensor, "b 3 h w"], probabilities: Float[Tensor, "b h w"], settings: Crf
) -> Float[Tensor, "b h w"]:
    """What all pixels together add to the logits of the salient label, after mean-field updates over all pairs.

    `images` are RGB in 0..255; `probabilities` of the salient label make the unary term, `-log p`. A pixel sends its
    message to itself too, as in the filtering approximations that this replaces.
    """
    scale = max(probabilities.shape[1:]) / REFERENCE_SIDE
    rows, columns = (_smoothing(side, settings.smoothness_sigma * scale, images) for side in probabilities.shape[1:])
    kernel = _appearance(images, settings.position_sigma * scale, settings.colour_sigma)
    norm = kernel.sum(1, keepdim=True).rsqrt()
    unary = _unary(probabilities)
    messages = torch.zeros_like(unary)
    for _ in range(settings.iterations):
        belief = torch.tanh((unary + messages) / 2)
        smooth = rows @ belief @ columns
        # The kernel is symmetric; a row in front of it multiplies faster than a column behind it.
        similar = (norm * torch.bmm(norm * belief.reshape(norm.shape), kernel)).view_as(belief)
        messages = settings.smoothness_weight * smooth + settings.appearance_weight * similar
    return messages


def _unary(probabilities: Float[Tensor, "b h w"]) -> Float[Tensor, "b h w"]:
    return probabilities.clamp(CERTAINTY, 1 - CERTAINTY).logit()


def _shrink(maps: Float[Tensor, "b c h w"], size: tuple[int, int]) -> Float[Tensor, "b c height width"]:
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False, antialias=True)


def _smoothing(side: int, sigma: float, like: Tensor) -> Float[Tensor, "side side"]:
    """The normalised Gaussian over one axis; the two-dimensional kernel and its norm are products of two of these."""
    position = torch.arange(side, device=like.device, dtype=like.dtype) / sigma
    kernel = torch.exp(-0.5 * (position[:, None] - position) ** 2)
    norm = kernel.sum(0).rsqrt()
    return norm[:, None] * kernel * norm


def _appearance(images: Float[Tensor, "b 3 h w"], position_sigma: float, colour_sigma: float) -> Float[Tensor, "b n n"]:
    """`exp(-|f_i - f_j|^2 / 2)` of position and colour in units of their sigmas, before normalisation."""
    _, _, height, width = images.shape
    ramps = [torch.arange(side, device=images.device, dtype=images.dtype) for side in (height, width)]
    positions = torch.stack(torch.meshgrid(*ramps, indexing="ij")).expand(len(images), -1, -1, -1)
    features = torch.cat([positions / position_sigma, images / colour_sigma], dim=1).flatten(2).mT
    features = features - features.mean(1, keepdim=True)  # smaller numbers, less cancellation below
    # One product of extended features makes the whole exponent, f_i f_j - |f_i|^2 / 2 - |f_j|^2 / 2.
    half, one = -0.5 * (features**2).sum(2, keepdim=True), torch.ones_like(features[..., :1])
    exponent = torch.cat([features, half, one], dim=2) @ torch.cat([features, one, half], dim=2).mT
    return exponent.clamp_(FARTHEST, 0.0).exp_()
