import pytest
import torch
import torch.nn.functional as F

from pipeline.contrast.prototypes import pool_pixels
from tests.contrast import golden


def test_prototype_equals_the_golden_one():
    prototypes = pool_pixels(golden.key(), golden.key_masks().float())
    torch.testing.assert_close(prototypes[0], golden.PROTOTYPE_0, atol=2e-6, rtol=0)


def test_pixels_count_by_direction_only_when_normalised():
    # Two pixels (3, 0) and (0, 1): unit vectors average to the diagonal, raw ones lean to the longer.
    maps = torch.tensor([[[[3.0, 0.0]], [[0.0, 1.0]]]])
    everywhere = torch.ones(1, 1, 2)
    torch.testing.assert_close(pool_pixels(maps, everywhere), torch.full((1, 2), 0.5**0.5))
    raw = pool_pixels(maps, everywhere, normalize_pixels=False)
    torch.testing.assert_close(raw, torch.tensor([[3.0, 1.0]]) / 10**0.5)


@pytest.mark.parametrize("normalize_pixels", [True, False])
def test_pooling_equals_upsampling_normalising_and_summing(normalize_pixels: bool):
    maps, weights = torch.randn(2, 5, 10, 9, dtype=torch.double), torch.rand(2, 80, 72, dtype=torch.double)
    full = F.interpolate(maps, size=(80, 72), mode="bilinear", align_corners=False)
    full = F.normalize(full, dim=1) if normalize_pixels else full
    expected = F.normalize((full * weights[:, None]).sum((2, 3)), dim=1)
    torch.testing.assert_close(pool_pixels(maps, weights, normalize_pixels), expected)


def test_neighbours_that_nearly_cancel_are_pooled_as_well_in_single_precision():
    left = torch.randn(1, 4, 1, 1)
    maps = torch.cat([left, 1e-4 * torch.randn(1, 4, 1, 1) - left], dim=3)
    # The middle one of three pixels is the mean of both.
    middle = torch.tensor([[[0.0, 1.0, 0.0]]])
    expected = F.normalize(maps.double().sum(3)[..., 0], dim=1)
    torch.testing.assert_close(pool_pixels(maps, middle), expected.float(), rtol=0, atol=1e-6)


def test_prototype_of_an_empty_mask_is_zero_and_others_have_unit_norm():
    weights = torch.zeros(2, 16, 16)
    weights[1, 3:9, 4:7] = 1
    norms = pool_pixels(torch.randn(2, 4, 2, 2), weights).norm(dim=1)
    assert norms[0] == 0
    torch.testing.assert_close(norms[1], torch.tensor(1.0))


def test_prototypes_carry_no_gradient():
    assert not pool_pixels(torch.randn(1, 4, 2, 2, requires_grad=True), torch.ones(1, 4, 4)).requires_grad
