"""The hybrid loss of BAS-Net (Qin et al., CVPR 2019, section 3.4): cross-entropy, 1 - SSIM and 1 - IoU.

SSIM is computed exactly as a convolution with zero padding would, but the separable Gaussian is written as a
banded matrix and all maps of a batch go through two matrix products: an order of magnitude less time, which
matters because eight outputs of a narrow network would otherwise cost more than the network.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

RADIUS, SIGMA = 5, 1.5
LUMINANCE_CONSTANT, CONTRAST_CONSTANT = 0.01**2, 0.03**2


def hybrid_loss(logits: Float[Tensor, "b o h w"], targets: Float[Tensor, "b h w"]) -> Float[Tensor, " o"]:
    """Loss of each of the `o` outputs against the same targets in [0, 1]; the training minimises their sum."""
    probabilities = logits.sigmoid()
    structure = 1 - ssim(probabilities, targets)
    overlap = 1 - iou(probabilities, targets)
    return cross_entropy(logits, targets) + structure + overlap


def cross_entropy(logits: Float[Tensor, "b o h w"], targets: Float[Tensor, "b h w"]) -> Float[Tensor, " o"]:
    """Binary cross-entropy, mean over the pixels of the batch."""
    pixels = F.binary_cross_entropy_with_logits(logits, targets.unsqueeze(1).expand_as(logits), reduction="none")
    return pixels.mean(dim=(0, 2, 3))


def iou(probabilities: Float[Tensor, "b o h w"], targets: Float[Tensor, "b h w"]) -> Float[Tensor, " o"]:
    """Soft intersection over union of each image, mean over the batch.

    One pixel is added to both, so that an empty prediction of an empty target is perfect instead of 0/0.
    """
    intersection = torch.einsum("bohw,bhw->bo", probabilities, targets)
    union = probabilities.sum(dim=(2, 3)) + targets.sum(dim=(1, 2)).unsqueeze(1) - intersection
    return ((intersection + 1) / (union + 1)).mean(dim=0)


def ssim(probabilities: Float[Tensor, "b o h w"], targets: Float[Tensor, "b h w"]) -> Float[Tensor, " o"]:
    """Structural similarity (Wang et al., 2004) in an 11x11 Gaussian window of sigma 1.5, mean over all pixels."""
    p, t = probabilities, targets.unsqueeze(1)
    mean_t, square_t = smoothed(torch.stack([t, t * t]))
    mean_p, square_p, product = smoothed(torch.stack([p, p * p, p * t]))
    cross, squares = mean_p * mean_t, mean_p * mean_p + mean_t * mean_t
    luminance = (2 * cross + LUMINANCE_CONSTANT) / (squares + LUMINANCE_CONSTANT)
    contrast = (2 * (product - cross) + CONTRAST_CONSTANT) / (square_p + square_t - squares + CONTRAST_CONSTANT)
    return (luminance * contrast).mean(dim=(0, 2, 3))


def smoothed(maps: Float[Tensor, "*n h w"]) -> Float[Tensor, "*n h w"]:
    """Every map convolved with the Gaussian window, zero outside: `G_h X G_w`, the matrices being symmetric."""
    *_, height, width = maps.shape
    return _gaussian(height, maps) @ (maps @ _gaussian(width, maps))


def _gaussian(size: int, like: Tensor) -> Float[Tensor, "size size"]:
    """The banded matrix of the one-dimensional window; rows near the border lack the taps that fall outside."""
    taps = torch.arange(-RADIUS, RADIUS + 1, device=like.device, dtype=like.dtype)
    total = torch.exp(-(taps**2) / (2 * SIGMA**2)).sum()
    places = torch.arange(size, device=like.device, dtype=like.dtype)
    distances = (places[:, None] - places[None, :]).abs()
    return torch.where(distances <= RADIUS, torch.exp(-(distances**2) / (2 * SIGMA**2)) / total, 0)
