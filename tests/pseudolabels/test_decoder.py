import torch

from pipeline.pseudolabels.decoder import Decoder


def maps(sides: tuple[int, ...]) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3 + i, side, side, generator=rng) for i, side in enumerate(sides)]


def decoder(levels: int, size: int) -> Decoder:
    torch.manual_seed(0)
    return Decoder([3 + i for i in range(levels)], size).eval()


def test_maps_of_any_strides_give_one_map_of_the_asked_size():
    for sides in [(8, 4), (8, 8, 8), (9, 5, 5), (12, 6, 3)]:
        assert decoder(len(sides), 50)(*maps(sides)).shape == (2, 50, 50)


def test_a_far_corner_of_a_coarse_map_is_seen_everywhere_and_of_the_finest_only_nearby():
    fine, coarse = maps((40, 20))
    network = decoder(2, 40)
    before = network(fine, coarse)
    coarse[:, :, 0, 0] += 5
    far = (network(fine, coarse) - before)[:, -5:, -5:]
    assert (far != 0).all()
    coarse[:, :, 0, 0] -= 5
    fine[:, :, 0, 0] += 5
    changed = (network(fine, coarse) - before).abs().amax(0) > 1e-4
    assert changed[0, 0]
    assert not changed[2:].any()
    assert not changed[:, 2:].any()


def test_every_weight_learns():
    network = decoder(3, 16).train()
    network(*maps((8, 4, 4))).square().sum().backward()
    silent = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert silent == []
