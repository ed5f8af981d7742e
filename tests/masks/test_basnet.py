import pytest
import torch

from pipeline.masks.basnet import OUTPUTS, BasNet, Refiner


def parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_width_64_has_the_parameters_of_the_paper():
    with torch.device("meta"):
        network = BasNet(64)
    assert parameters(network) == 87_060_360
    assert parameters(network.refiner) == 482_177


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 50)])
def test_every_output_has_the_size_of_the_image(size: tuple[int, int]):
    with torch.no_grad():
        logits = BasNet(4).eval()(torch.rand(2, 3, *size))
    assert logits.shape == (2, OUTPUTS, *size)


def test_the_first_output_is_the_refined_second():
    torch.manual_seed(0)
    network = BasNet(4).eval()
    with torch.no_grad():
        logits = network(torch.rand(1, 3, 40, 40))
        torch.testing.assert_close(logits[:, :1], network.refiner(logits[:, 1:2]))


def test_a_refiner_with_a_zero_head_changes_nothing():
    refiner = Refiner(4)
    torch.nn.init.zeros_(refiner.head.weight)
    torch.nn.init.zeros_(refiner.head.bias)  # type: ignore[arg-type]
    coarse = torch.randn(2, 1, 35, 32)
    torch.testing.assert_close(refiner(coarse), coarse)


def test_the_coarsest_output_comes_last():
    # The bridge's map of 64x64 is 2x2: along a row its upsampled logits are flat in both outer quarters.
    torch.manual_seed(0)
    with torch.no_grad():
        bridge = BasNet(4).eval()(torch.rand(1, 3, 64, 64))[0, -1]
    assert torch.equal(bridge[:, :16], bridge[:, :1].expand(-1, 16))
    assert not torch.equal(bridge[:, 16], bridge[:, 47])


def test_images_are_normalised_inside_the_network():
    network = BasNet(4).eval()
    seen = []
    network.encoder.stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))  # type: ignore[operator]
    with torch.no_grad():
        network(torch.tensor([0.485, 0.456 + 0.224, 0.406 - 0.225]).view(1, 3, 1, 1).expand(1, 3, 32, 32))
    torch.testing.assert_close(seen[0][0, :, 0, 0], torch.tensor([0.0, 1.0, -1.0]))


def test_every_parameter_receives_a_gradient():
    network = BasNet(4)
    network(torch.rand(2, 3, 64, 64)).sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []
