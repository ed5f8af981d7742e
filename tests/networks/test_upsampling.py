import pytest
import torch

from pipeline.networks.upsampling import upsample, upsampling_matrix


def test_upsample_places_pixel_centres_at_halves():
    # Centres of four pixels over two lie at -1/4, 1/4, 3/4, 5/4 of the way from the first to the second.
    row = upsample(torch.tensor([[[[0.0, 1.0]]]]), (1, 4))
    assert row.flatten().tolist() == [0, 0.25, 0.75, 1]


@pytest.mark.parametrize("size", [(24, 40), (7, 3), (3, 5)])
def test_two_matrices_are_the_upsampling(size: tuple[int, int]):
    maps = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    rows, columns = (upsampling_matrix(side, target, maps) for side, target in zip((3, 5), size, strict=True))
    torch.testing.assert_close(rows @ maps @ columns.T, upsample(maps, size))
