"""Guided upsampling: small maps take on the borders of a large image (the fast guided filter, He and Sun, 2015)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pipeline.networks.upsampling import upsample

REACH = 1  # a window is a pixel of the small map and this many to each side
NOISE = 30.0  # a variance of colour (0..255, squared) that is no border; it keeps flat windows flat


def guided_upsample(
    maps: Float[Tensor, "b h w"], small: Float[Tensor, "b 3 h w"], images: Float[Tensor, "b 3 height width"]
) -> Float[Tensor, "b height width"]:
    """Maps at the size of the RGB `images` (0..255), of which `small` is the copy at the size of the maps.

    In every window a map is taken for a linear function of colour; what is interpolated is this function, so a border
    between two colours stays where it is in the image. Maps of the images' own size are returned as they are.
    """
    height, width = images.shape[2:]
    if maps.shape[1:] == (height, width):
        return maps
    slopes, offsets = _linear_in_colour(maps[:, None], small)
    return (upsample(slopes, (height, width)) * images).sum(1) + upsample(offsets, (height, width))[:, 0]


def _linear_in_colour(
    maps: Float[Tensor, "b 1 h w"], small: Float[Tensor, "b 3 h w"]
) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 1 h w"]]:
    """Slopes and offsets of the ridge regression of the maps on colour, averaged over the windows a pixel is in."""
    colour, value = _mean(small), _mean(maps)
    squares = _mean((small[:, :, None] * small[:, None]).flatten(1, 2)).unflatten(1, (3, 3))
    covariance = squares - colour[:, :, None] * colour[:, None]
    joint = _mean(small * maps) - colour * value
    ridge = NOISE * torch.eye(3, dtype=maps.dtype, device=maps.device)
    slopes = torch.linalg.solve(covariance.permute(0, 3, 4, 1, 2) + ridge, joint.permute(0, 2, 3, 1)[..., None])
    slopes = slopes[..., 0].permute(0, 3, 1, 2)
    return _mean(slopes), _mean(value - (slopes * colour).sum(1, keepdim=True))


def _mean(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Mean over the part of every window that lies inside the map."""
    return F.avg_pool2d(maps, 2 * REACH + 1, stride=1, padding=REACH, count_include_pad=False)
