import pytest
import torch
from torch import Tensor

from pipeline.contrast.encoder import HEADS, Encoder
from pipeline.contrast.published import from_published
from pipeline.errors import InputError
from pipeline.networks.backbone import Backbone
from tests.contrast.release import RESNET50, Release, checkpoint
from tests.profiles import PAPER


def shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


@pytest.fixture(scope="module")
def needed() -> dict[str, torch.Size]:
    with torch.device("meta"):
        return shapes(Encoder(Backbone("resnet50", 8), PAPER).state_dict())


def test_a_checkpoint_of_the_pretraining_fills_every_tensor_of_the_papers_encoder(needed: dict[str, torch.Size]):
    with torch.device("meta"):
        network = Release(RESNET50)
    state = {name.removeprefix("module."): tensor for name, tensor in checkpoint(network, network).items()}
    assert len(state) == 2 * len(needed) + 2
    assert shapes(from_published(state, "sup.pth.tar")) == needed


def test_a_checkpoint_of_the_linear_probe_fills_all_but_the_heads(needed: dict[str, torch.Size]):
    with torch.device("meta"):
        state = Release(RESNET50, classes=21).state_dict()
    assert shapes(from_published(state, "probe.pth.tar")) == {k: v for k, v in needed.items() if k not in HEADS}


@pytest.mark.parametrize(
    "names, told",
    [
        (["model_q.backbone.conv1.weight", "model_q.neck.weight"], "model_q.neck.weight"),
        (["model_q.head.bias", "head.bias"], "head.bias"),
        (["backbone.conv1.weight", "queue"], "queue"),
        (["conv1.weight", "bn1.weight"], "conv1.weight, bn1.weight"),
    ],
)
def test_a_tensor_without_a_place_is_refused_by_name(names: list[str], told: str):
    with pytest.raises(InputError, match=f"odd.pth holds {told}, which MaskContrast has not; give a"):
        from_published(dict.fromkeys(names, torch.zeros(1)), "odd.pth")
