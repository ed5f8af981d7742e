import pytest
import torch
import torchvision
from torch import Tensor

from pipeline.errors import InputError
from pipeline.networks.backbone import Backbone
from pipeline.networks.checkpoint_layouts import backbone_tensors


@pytest.fixture(scope="module")
def trunk() -> dict[str, Tensor]:
    """A ResNet-50 in the names of torchvision, without its classifier."""
    with torch.device("meta"):
        state = torchvision.models.resnet50().state_dict()
    return {name: value for name, value in state.items() if not name.startswith("fc.")}


def under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state.items()}


def linear(name: str, outputs: int = 128, inputs: int = 2048) -> dict[str, Tensor]:
    with torch.device("meta"):
        return {f"{name}.weight": torch.empty(outputs, inputs), f"{name}.bias": torch.empty(outputs)}


def moco(trunk: dict[str, Tensor], head: dict[str, Tensor]) -> dict[str, Tensor]:
    encoder = trunk | head
    queue = {"queue": torch.empty(128, 65536, device="meta"), "queue_ptr": torch.empty(1, device="meta")}
    return under("encoder_q.", encoder) | under("encoder_k.", encoder) | queue


def maskcontrast(trunk: dict[str, Tensor]) -> dict[str, Tensor]:
    decoder = {"decoder.1.weight": torch.empty(256, 256, 3, 3, device="meta")}
    network = under("backbone.", trunk) | decoder | linear("head", 32, 256) | linear("classification_head", 1, 256)
    return under("model_q.", network) | under("model_k.", network) | linear("queue")


CHECKPOINTS = {
    "MoCo": lambda trunk: moco(trunk, linear("fc")),
    "MoCo v2": lambda trunk: moco(trunk, linear("fc.0", 2048) | linear("fc.2")),
    "MoCo v2 without projection": lambda trunk: under("encoder_q.", trunk),
    "SwAV": lambda trunk: trunk | linear("projection_head.0") | linear("projection_head.3") | linear("prototypes"),
    "InfoMin": lambda trunk: under("encoder.", trunk) | linear("head.0") | linear("head.2") | linear("head_jig.fc1.0"),
    "instance discrimination": lambda trunk: trunk | linear("fc"),
    "instance discrimination with InfoMin": lambda trunk: under("encoder.", trunk) | linear("head.0"),
    "supervised": lambda trunk: trunk | linear("fc", 1000),
    "MaskContrast": maskcontrast,
    "MaskContrast's linear probe": lambda trunk: under("backbone.", trunk) | linear("decoder.4", 21, 256),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_backbone_of_a_checkpoint_is_timms_resnet50(name: str, trunk: dict[str, Tensor]):
    with torch.device("meta"):
        needed = Backbone("resnet50", 8).body.state_dict()
    found = backbone_tensors(CHECKPOINTS[name](trunk), name)
    assert {key: value.shape for key, value in found.items()} == {key: value.shape for key, value in needed.items()}


@pytest.mark.parametrize(
    "name, extra, message",
    [
        ("MoCo", "predictor.0.weight", r"moco.pth holds predictor.0.weight beside the backbone in encoder_q.\*; save"),
        ("InfoMin", "conv1.weight", r"moco.pth holds conv1.weight beside the backbone in encoder.\*"),
        ("MaskContrast", "model_q.aux.weight", r"holds model_q.aux.weight beside the backbone in model_q.backbone.\*"),
    ],
)
def test_a_tensor_beside_the_backbone_that_its_layout_does_not_know_is_refused(
    name: str, extra: str, message: str, trunk: dict[str, Tensor]
):
    with pytest.raises(InputError, match=message):
        backbone_tensors(CHECKPOINTS[name](trunk) | {extra: torch.zeros(1)}, "moco.pth")


def test_three_of_many_names_are_told(trunk: dict[str, Tensor]):
    odd = {f"odd.{i}": torch.zeros(1) for i in range(5)}
    with pytest.raises(InputError, match="holds odd.0, odd.1, odd.2 and 2 more tensors beside"):
        backbone_tensors(under("encoder.", trunk) | odd, "odd.pth")
