"""Class logits of one image at full size, a strip of rows at a time, so that a strip stays in a processor's cache.

Bilinear upsampling of an `h x w` map to `height x width` is `R @ map @ C.T` with two small matrices. `C` widens the few
rows of the map, at little cost; a band of rows of `R` has weights on a few neighbouring rows of the map alone, so that
a strip of the full-size logits is a product of two narrow matrices.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.networks.upsampling import upsampling_matrix

# Numbers a strip: what fits a processor's second cache, while a GPU prefers few large kernels.
STRIP = {"cpu": 2**17, "cuda": 2**24}


@dataclass(frozen=True)
class Strip:
    """Some rows of the full size, the rows of the small map that they are mixed from, and the weights."""

    rows: slice
    sources: slice
    weights: Float[Tensor, "r k"]

    def logits(self, wide: Float[Tensor, "h c width"]) -> Float[Tensor, "r c width"]:
        """The full-size logits of these rows, from a map that has its full width already."""
        return (self.weights @ wide[self.sources].flatten(1)).view(-1, *wide.shape[1:])

    def add_adjoint(self, gradient: Float[Tensor, "r c width"], wide: Float[Tensor, "h c width"]) -> None:
        """Add to `wide` the gradient there, given the gradient at `logits`."""
        wide[self.sources] += (self.weights.T @ gradient.flatten(1)).view(-1, *wide.shape[1:])


def strips(rows: Float[Tensor, "height h"], numbers: int) -> list[Strip]:
    """Strips that together have every row of an upsampling once; with `numbers` a row, each fits `STRIP`."""
    step = max(1, STRIP[rows.device.type] // numbers)
    used = (rows != 0).nonzero().tolist()  # the only look at values, so that a GPU waits once
    first, last = {row: source for row, source in reversed(used)}, dict(used)
    found = []
    for start in range(0, len(rows), step):
        end = min(start + step, len(rows))
        sources = slice(first[start], last[end - 1] + 1)
        found.append(Strip(slice(start, end), sources, rows[start:end, sources].contiguous()))
    return found


def widened(logits: Float[Tensor, "b c h w"], columns: Float[Tensor, "width w"]) -> Float[Tensor, "b h c width"]:
    """Every row of the maps at the full width."""
    return logits.permute(0, 2, 1, 3) @ columns.T


def class_map(logits: Float[Tensor, "c h w"], size: int) -> UInt8[Tensor, "{size} {size}"]:
    """The class of the highest logit at every pixel of a square, among equals the first."""
    rows, columns = (upsampling_matrix(side, size, logits) for side in logits.shape[1:])
    # `argmax` and `max` over classes take several times as long as all the rest.
    ranks = torch.arange(len(logits), 0, -1, dtype=torch.uint8, device=logits.device)[:, None]
    wide, found = widened(logits[None], columns)[0], []
    for strip in strips(rows, wide[0].numel()):
        full = strip.logits(wide)
        found.append(len(logits) - ((full == full.amax(1, keepdim=True)) * ranks).amax(1))
    return torch.cat(found)
