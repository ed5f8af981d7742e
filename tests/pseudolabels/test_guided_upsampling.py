import torch
from torch import Tensor

from pipeline.networks.upsampling import upsample
from pipeline.pseudolabels.guided_upsampling import guided_upsample


def colours(height: int, width: int, seed: int) -> Tensor:
    return 255 * torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_a_map_that_is_linear_in_colour_is_so_in_the_large_image_too():
    weights = torch.tensor([0.02, -0.03, 0.01])[None, :, None, None]
    small, large = colours(8, 10, 0), colours(24, 35, 1)
    upsampled = guided_upsample((small * weights).sum(1) + 2, small, large)
    # The ridge takes about a hundredth of the slopes, and more in the corners, whose windows hold four pixels only.
    difference = (upsampled - (large * weights).sum(1) - 2).abs()
    assert difference.mean() < 0.05
    assert difference[:, 5:-5, 5:-5].max() < 0.15


def test_where_there_is_one_colour_only_the_map_is_interpolated():
    # Its windows' means are averaged once more, which leaves a ramp as it is but for the two outermost pixels.
    ramp = torch.arange(12.0).expand(1, 6, 12)
    upsampled = guided_upsample(ramp, torch.full((1, 3, 6, 12), 90.0), torch.full((1, 3, 24, 48), 90.0))
    torch.testing.assert_close(upsampled[:, :, 12:36], upsample(ramp[None], (24, 48))[0][:, :, 12:36])


def test_a_border_of_the_image_is_kept_to_the_pixel():
    large = torch.zeros(1, 3, 32, 32)
    large[:, 0, :, :13] = 200.0
    small = large.unflatten(2, (8, 4)).unflatten(4, (8, 4)).mean((3, 5))  # column 3 holds a quarter of red
    upsampled = guided_upsample(small[:, 0] / 100 - 1, small, large)[0]
    torch.testing.assert_close(upsampled, large[0, 0] / 100 - 1, atol=0.1, rtol=0)
    assert (upsampled > 0).sum(1).tolist() == [13] * 32


def test_maps_of_the_size_of_the_image_are_returned_as_they_are():
    maps = torch.randn(2, 5, 7)
    assert torch.equal(guided_upsample(maps, torch.rand(2, 3, 5, 7), torch.rand(2, 3, 5, 7)), maps)
