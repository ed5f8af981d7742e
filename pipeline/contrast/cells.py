"""Dense features of whole images: a network's last map, averaged in the cells of a grid."""

from collections.abc import Mapping

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float, Float16, Int64
from torch import Tensor

from pipeline.contrast.encoder import Encoder
from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet
from pipeline.networks.backbone import Backbone
from pipeline.params import Embed

Shape = tuple[int, int, int]
MIB = 1 << 20


def chosen_images(images: ImageSet, splits: list[str]) -> Int64[np.ndarray, " m"]:
    """Indices of the images in any of the splits, ascending."""
    return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *(images.split(split) for split in splits)]))


def cell_shapes(encoder: Encoder, start: Backbone, widths: Mapping[str, int], settings: Embed) -> dict[str, Shape]:
    """Rows, columns and channels of what is kept of an image, by network; `widths` are the channels of each."""
    strides = {"start": start.strides[-1], "maskcontrast": encoder.deeplab.backbone.strides[-1]}
    sides = {name: settings.cells.grid or -(-settings.size // strides[name]) for name in settings.cells.networks}
    return {name: (side, side, widths[name]) for name, side in sides.items()}


def require_budget(count: int, shapes: Mapping[str, Shape], settings: Embed) -> None:
    """Raise InputError when the cells of `count` images take more than `embed.cells.budget_mib`."""
    needed = count * sum(2 * rows * columns * channels for rows, columns, channels in shapes.values())
    allowed = settings.cells.budget_mib
    if needed > allowed * MIB:
        each = ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in shapes.items())
        raise InputError(
            f"embed.cells takes {-(-needed // MIB)} MiB for {count} images of {', '.join(settings.cells.splits)} "
            f"({each}, two bytes a number), but embed.cells.budget_mib allows {allowed}; lower embed.cells.grid (now "
            f"{settings.cells.grid}, 0 being the whole map), name fewer networks or splits there, or raise the budget"
        )


def cell_features(maps: Float[Tensor, "b d h w"], grid: int) -> Float16[np.ndarray, "b _ _ d"]:
    """The maps averaged in `grid` x `grid` cells, or as they are where `grid` is 0; channels last."""
    cells = F.adaptive_avg_pool2d(maps, grid) if grid else maps
    return cells.permute(0, 2, 3, 1).cpu().numpy().astype(np.float16)
