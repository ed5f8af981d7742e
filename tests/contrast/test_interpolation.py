import pytest
import torch
import torch.nn.functional as F

from pipeline.contrast import interpolation
from pipeline.contrast.interpolation import Upsampling

# Upsampling by 8, by a fraction, and not at all.
SIZES = [((3, 4), (24, 32)), ((4, 3), (7, 10)), ((5, 5), (5, 5))]


def test_matrices_of_a_doubled_side_hold_quarters_and_three_quarters():
    upsampling = Upsampling.between((2, 1), (4, 2), torch.zeros(()))
    assert upsampling.rows.tolist() == [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    assert upsampling.columns.tolist() == [[1], [1]]


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_expand_is_bilinear_interpolation(small: tuple[int, int], large: tuple[int, int]):
    maps = torch.randn(2, *small, dtype=torch.double)
    expected = F.interpolate(maps[None], size=large, mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(Upsampling.between(small, large, maps).expand(maps), expected)


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_adjoint_moves_the_upsampling_to_the_other_side_of_an_inner_product(
    small: tuple[int, int], large: tuple[int, int]
):
    low, high = torch.randn(2, *small, dtype=torch.double), torch.randn(2, *large, dtype=torch.double)
    upsampling = Upsampling.between(small, large, low)
    torch.testing.assert_close((upsampling.expand(low) * high).sum(), (low * upsampling.adjoint(high)).sum())


def test_pixels_are_the_expanded_vectors_under_a_mask_and_their_adjoint_is_the_masked_one():
    embedding, mask = torch.randn(3, 4, 5, dtype=torch.double), torch.rand(9, 8) < 0.4
    upsampling = Upsampling.between((4, 5), (9, 8), embedding)
    chosen = mask.flatten().nonzero()[:, 0]
    pixels = upsampling.pixels(embedding.permute(1, 2, 0), chosen)
    torch.testing.assert_close(pixels, upsampling.expand(embedding)[:, mask].T)
    full = torch.zeros(3, 9, 8, dtype=torch.double)
    full[:, mask] = pixels.T
    torch.testing.assert_close(upsampling.pixels_adjoint(pixels, chosen).permute(2, 0, 1), upsampling.adjoint(full))


@pytest.mark.parametrize("pixels", [1, 16, 25, 1000])
def test_strips_of_any_height_make_up_the_whole(pixels: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(interpolation.STRIP, "cpu", pixels)
    maps = torch.randn(2, 3, 4)
    upsampling = Upsampling.between((3, 4), (10, 8), maps)
    bands, strips = zip(*upsampling.strips(), strict=True)
    assert [row for band in bands for row in range(10)[band]] == list(range(10))
    torch.testing.assert_close(torch.cat([strip.expand(maps) for strip in strips], 1), upsampling.expand(maps))
