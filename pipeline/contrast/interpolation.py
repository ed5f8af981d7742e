"""Bilinear upsampling as two small matrices, which gives its exact adjoint (the backward pass) for free.

Upsampling an `h x w` map to `height x width`, pixel centres at halves, is `R @ map @ C.T`: `R` (`height x h`) mixes
rows, `C` (`width x w`) mixes columns, at most two weights in each of their rows, which sum to one. The gradient of a
function of the large map reaches the small one as `R.T @ gradient @ C`. Cutting `R` into bands of rows cuts the large
map into strips, so that a long computation on it can be done one strip at a time and never hold it whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

# Pixels a strip: what is computed of them should fit a processor's cache, while a GPU prefers few and large kernels.
STRIP = {"cpu": 4096, "cuda": 65536}


@dataclass(frozen=True)
class Upsampling:
    """The two matrices that upsample maps of one size to another."""

    rows: Float[Tensor, "height h"]
    columns: Float[Tensor, "width w"]

    @classmethod
    def between(cls, small: Sequence[int], large: Sequence[int], like: Tensor) -> "Upsampling":
        """The upsampling from one size (rows, columns) to another, in the precision and on the device of `like`."""
        return cls(*(_matrix(side, target, like) for side, target in zip(small, large, strict=True)))

    def strips(self) -> Iterator[tuple[slice, "Upsampling"]]:
        """Bands of whole rows that make up the large map, each with the upsampling that makes just these rows."""
        step = max(1, STRIP[self.rows.device.type] // len(self.columns))
        for start in range(0, len(self.rows), step):
            band = slice(start, start + step)
            yield band, Upsampling(self.rows[band], self.columns)

    def expand(self, maps: Float[Tensor, "c h w"]) -> Float[Tensor, "c height width"]:
        """The maps at full size."""
        return (self.rows @ maps) @ self.columns.T

    def adjoint(self, maps: Float[Tensor, "*c height width"]) -> Float[Tensor, "*c h w"]:
        """The transpose of `expand`: the gradient at the small maps, given the gradient at the full ones."""
        return self.rows.T @ (maps @ self.columns)

    def pixels(self, embedding: Float[Tensor, "h w d"], chosen: Int64[Tensor, " n"]) -> Float[Tensor, "n d"]:
        """The vectors of a map (channels last) at some full-size pixels, numbered in reading order."""
        mixed = (self.rows @ embedding.flatten(1)).unflatten(1, embedding.shape[1:])
        return (self.columns @ mixed).flatten(0, 1).index_select(0, chosen)

    def pixels_adjoint(self, gradient: Float[Tensor, "n d"], chosen: Int64[Tensor, " n"]) -> Float[Tensor, "h w d"]:
        """The transpose of `pixels`: the gradient at the small map, given the gradient at the chosen pixels."""
        size = len(self.rows), len(self.columns)
        full = gradient.new_zeros(size[0] * size[1], gradient.shape[1]).index_copy_(0, chosen, gradient)
        mixed = self.columns.T @ full.unflatten(0, size)
        return (self.rows.T @ mixed.flatten(1)).unflatten(1, mixed.shape[1:])


def _matrix(side: int, target: int, like: Tensor) -> Float[Tensor, "target side"]:
    # The upsampled unit vectors are the matrix's columns, so it agrees with F.interpolate by construction.
    units = torch.eye(side, dtype=like.dtype, device=like.device)
    return F.interpolate(units[None], size=target, mode="linear", align_corners=False)[0].T.contiguous()
