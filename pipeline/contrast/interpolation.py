"""Bilinear upsampling as two small matrices, which gives its exact adjoint (the backward pass) for free.

Upsampling an `h x w` map to `height x width`, pixel centres at halves, is `R @ map @ C.T`: `R` (`height x h`) mixes
rows, `C` (`width x w`) mixes columns, at most two weights in each of their rows, which sum to one. The gradient of a
function of the large map reaches the small one as `R.T @ gradient @ C`. Cutting `R` into bands of rows cuts the large
map into strips, so that a long computation on it can be done one strip at a time and never hold it whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from pipeline.networks.upsampling import upsampling_matrix

# Numbers a strip: what is computed of its pixels should fit a processor's cache, while a GPU prefers few large kernels.
STRIP = {"cpu": 2**20, "cuda": 2**24}


@dataclass(frozen=True)
class Upsampling:
    """The two matrices that upsample maps of one size to another."""

    rows: Float[Tensor, "height h"]
    columns: Float[Tensor, "width w"]

    @classmethod
    def between(cls, small: Sequence[int], large: Sequence[int], like: Tensor) -> "Upsampling":
        """The upsampling from one size (rows, columns) to another, in the precision and on the device of `like`."""
        return cls(*(upsampling_matrix(side, target, like) for side, target in zip(small, large, strict=True)))

    def strips(
        self, mask: Bool[Tensor, "height width"], width: int
    ) -> Iterator[tuple["Upsampling", Int64[Tensor, " n"]]]:
        """Bands of whole rows, each cut to the columns where the mask is anywhere set in it, and the mask's pixels.

        The pixels are numbered in reading order in what is left of a band; bands without any are left out. A band has
        so few pixels that `width` numbers for each fit the bound `STRIP`, unless it is a single row.
        """
        step = max(1, STRIP[self.rows.device.type] // (width * len(self.columns)))
        for rows, band in zip(self.rows.split(step), mask.split(step), strict=True):
            columns = band.any(0).nonzero()[:, 0]
            if len(columns):
                yield Upsampling(rows, self.columns[columns]), band[:, columns].flatten().nonzero()[:, 0]

    def adjoint(self, maps: Float[Tensor, "*c height width"]) -> Float[Tensor, "*c h w"]:
        """The transpose of the upsampling: the gradient at the small maps, given the gradient at the full ones."""
        return self.rows.T @ (maps @ self.columns)

    def squared_norms(self, maps: Float[Tensor, "b d h w"]) -> Float[Tensor, "b height width"]:
        """Squared lengths of the vectors of the full maps, from the products of neighbours in the small ones.

        A full-size vector mixes at most two rows and two columns, so its squared length mixes the products of each
        vector with itself, with the next one in its row, in its column, and on the two diagonals: one map of about
        twice the sides, upsampled by matrices of products of weights.
        """
        own, across = (maps * maps).sum(1), (maps[..., 1:] * maps[..., :-1]).sum(1)
        down = (maps[..., 1:, :] * maps[..., :-1, :]).sum(1)
        diagonals = maps[..., 1:, 1:] * maps[..., :-1, :-1] + maps[..., 1:, :-1] * maps[..., :-1, 1:]
        upper, lower = torch.cat([own, across], 2), torch.cat([down, diagonals.sum(1) / 2], 2)
        rows, columns = _paired(self.rows), _paired(self.columns)
        return rows @ torch.cat([upper, lower], 1) @ columns.T

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


def _paired(matrix: Float[Tensor, "target side"]) -> Float[Tensor, "target pairs"]:
    """The weights of the squares, and of the products of neighbours, in the square of a sum of two neighbours."""
    return torch.cat([matrix.square(), 2 * matrix[:, 1:] * matrix[:, :-1]], 1)
