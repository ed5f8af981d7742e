import pytest
import torch
from torch import nn

from pipeline.contrast.encoder import Encoder
from pipeline.contrast.precision import encode, prepare
from pipeline.networks.backbone import Backbone
from pipeline.params import Encoder as EncoderSettings

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def channels_last(network: nn.Sequential) -> bool:
    return network.state_dict()["0.weight"].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("layer", "safe"),
    [
        (nn.Conv2d(12, 16, 1, stride=2), False),
        (nn.Conv2d(32, 32, 1, stride=2, groups=4), False),
        (nn.Conv2d(16, 16, 1, stride=2), True),
        (nn.Conv2d(12, 16, 1), True),
        (nn.Conv2d(12, 16, 3, stride=2), True),
    ],
)
def test_on_a_cpu_channels_come_last_unless_a_strided_pointwise_convolution_is_narrow(layer: nn.Conv2d, safe: bool):
    network = nn.Sequential(nn.Conv2d(3, 12, 3), layer)
    prepare(network, CPU)
    assert channels_last(network) == safe


def test_on_a_gpu_channels_come_last_and_the_network_is_compiled(monkeypatch: pytest.MonkeyPatch):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(module))
    network = nn.Sequential(nn.Conv2d(3, 12, 3), nn.Conv2d(12, 16, 1, stride=2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    prepare(network, CPU)
    assert not compiled
    prepare(network, GPU)
    assert compiled == [network]
    assert channels_last(network)
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(after[name].equal(value) and value.dtype == torch.float for name, value in before.items())


def test_on_a_cpu_an_encoder_computes_in_the_precision_of_its_images(encoder_settings: EncoderSettings):
    encoder = Encoder(Backbone("lcnet_050", 8), encoder_settings).double().eval()
    images = torch.rand(1, 3, 48, 48, dtype=torch.double)
    for found, expected in zip(encode(encoder, images), encoder(images), strict=True):
        assert found.equal(expected)
