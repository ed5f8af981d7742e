import pytest
import torch
import torch.nn.functional as F

from pipeline.contrast import interpolation
from pipeline.contrast.interpolation import Upsampling

# Upsampling by 8, by a fraction, and not at all; of a single row, with fewer columns than before.
SIZES = [((3, 4), (24, 32)), ((4, 3), (7, 10)), ((5, 5), (5, 5)), ((1, 4), (6, 3))]


def expanded(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(maps[None], size=size, mode="bilinear", align_corners=False)[0]


def test_matrices_of_a_doubled_side_hold_quarters_and_three_quarters():
    upsampling = Upsampling.between((2, 1), (4, 2), torch.zeros(()))
    assert upsampling.rows.tolist() == [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    assert upsampling.columns.tolist() == [[1], [1]]


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_adjoint_moves_the_upsampling_to_the_other_side_of_an_inner_product(
    small: tuple[int, int], large: tuple[int, int]
):
    low, high = torch.randn(2, *small, dtype=torch.double), torch.randn(2, *large, dtype=torch.double)
    upsampling = Upsampling.between(small, large, low)
    torch.testing.assert_close((expanded(low, large) * high).sum(), (low * upsampling.adjoint(high)).sum())


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_squared_norms_are_those_of_the_expanded_vectors(small: tuple[int, int], large: tuple[int, int]):
    maps = torch.randn(2, 3, *small, dtype=torch.double)
    expected = torch.stack([expanded(one, large).square().sum(0) for one in maps])
    torch.testing.assert_close(Upsampling.between(small, large, maps).squared_norms(maps), expected)


def test_pixels_are_the_expanded_vectors_under_a_mask_and_their_adjoint_is_the_masked_one():
    embedding, mask = torch.randn(3, 4, 5, dtype=torch.double), torch.rand(9, 8) < 0.4
    upsampling = Upsampling.between((4, 5), (9, 8), embedding)
    chosen = mask.flatten().nonzero()[:, 0]
    pixels = upsampling.pixels(embedding.permute(1, 2, 0), chosen)
    torch.testing.assert_close(pixels, expanded(embedding, (9, 8))[:, mask].T)
    full = torch.zeros(3, 9, 8, dtype=torch.double)
    full[:, mask] = pixels.T
    torch.testing.assert_close(upsampling.pixels_adjoint(pixels, chosen).permute(2, 0, 1), upsampling.adjoint(full))


@pytest.mark.parametrize(("bound", "rows"), [(1, 1), (48, 3), (10**6, 10)])
def test_strips_have_every_pixel_of_the_mask_once_and_no_more_rows_than_fit(
    bound: int, rows: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(interpolation.STRIP, "cpu", bound)
    embedding, mask = torch.randn(3, 4, 5), torch.rand(10, 8) < 0.5
    mask[3:7], mask[:, 2] = False, False
    upsampling = Upsampling.between((3, 4), (10, 8), embedding)
    # Three rows of eight pixels with two numbers each are 48.
    strips = list(upsampling.strips(mask, 2))
    assert max(len(strip.rows) for strip, _ in strips) == rows
    assert all(len(strip.columns) <= 7 for strip, _ in strips)
    everything = upsampling.pixels(embedding, mask.flatten().nonzero()[:, 0])
    torch.testing.assert_close(torch.cat([strip.pixels(embedding, chosen) for strip, chosen in strips]), everything)


def test_a_mask_without_pixels_has_no_strips():
    upsampling = Upsampling.between((2, 2), (8, 8), torch.zeros(()))
    assert not list(upsampling.strips(torch.zeros(8, 8, dtype=torch.bool), 4))
