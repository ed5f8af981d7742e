import math

import pytest
import torch

from pipeline.errors import InputError
from pipeline.masks.basnet import BasNet
from pipeline.masks.published import from_published
from tests.masks import release


def test_the_release_fills_every_tensor_of_width_64_once():
    with torch.device("meta"):
        network = BasNet(64)
        published = {name: torch.empty(shape) for name, shape in release.shapes().items()}
    state = from_published(published, "basnet.pth")
    assert len(state) == len(published)
    needed = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    assert {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in needed.items()}
    learned = [shape for name, shape in release.shapes().items() if "running" not in name]
    assert sum(map(math.prod, learned)) == 87_060_360


def test_the_network_computes_what_the_release_computes():
    state, images = release.random_state(4), torch.rand(2, 3, 64, 96)
    network = BasNet(4).eval()
    network.load_state_dict(from_published(state, "basnet.pth"))
    mean, std = (network.encoder.get_buffer(name) for name in ("mean", "std"))
    with torch.no_grad():
        expected, found = release.Release(state)((images - mean) / std), network(images)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_tensor_of_another_network_is_refused_by_name():
    with pytest.raises(
        InputError, match="weights.pth holds stage1.rebnconvin.weight, which the released BAS-Net has not"
    ):
        from_published({"stage1.rebnconvin.weight": torch.zeros(1)}, "weights.pth")
