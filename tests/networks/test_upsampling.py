import torch

from pipeline.networks.upsampling import upsample


def test_upsample_places_pixel_centres_at_halves():
    # Centres of four pixels over two lie at -1/4, 1/4, 3/4, 5/4 of the way from the first to the second.
    row = upsample(torch.tensor([[[[0.0, 1.0]]]]), (1, 4))
    assert row.flatten().tolist() == [0, 0.25, 0.75, 1]
