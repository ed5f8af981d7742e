from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.networks.backbone import Backbone, load_backbone, save_backbone
from pipeline.networks.drn import DRNS, BasicBlock, Bottleneck, Drn
from pipeline.networks.starting_weights import starting_backbone
from tests.networks.test_starting_weights import sha256

# Layers of the release that hold residual blocks, and the tensors of a block.
RESIDUAL = {"drn_d_22": [2, 2, 2, 2], "drn_d_105": [3, 4, 23, 3]}
NORM = ("weight", "bias", "running_mean", "running_var")


def published_names(name: str) -> set[str]:
    """The trunk's tensors in the release, which PyTorch saved before batch norms counted their batches."""
    found = {"0.weight", *(f"1.{part}" for part in NORM)}
    names = {f"layer{k}.{rest}" for k in (0, 1, 2, 7, 8) for rest in found}
    convolutions = (1, 2) if name == "drn_d_22" else (1, 2, 3)
    for layer, blocks in enumerate(RESIDUAL[name], start=3):
        for j in range(blocks):
            for c in convolutions:
                names |= {f"layer{layer}.{j}.conv{c}.weight", *(f"layer{layer}.{j}.bn{c}.{part}" for part in NORM)}
        names |= {f"layer{layer}.0.downsample.{rest}" for rest in found}
    return names


@pytest.mark.parametrize("name, parameters", [("drn_d_22", 15_880_752), ("drn_d_105", 54_288_304)])
def test_the_trunk_has_the_parameters_and_the_names_of_the_release(name: str, parameters: int):
    with torch.device("meta"):
        trunk = Drn(name)
    assert sum(parameter.numel() for parameter in trunk.parameters()) == parameters
    assert {key for key in trunk.state_dict() if not key.endswith("num_batches_tracked")} == published_names(name)


@pytest.mark.parametrize("name", DRNS)
def test_the_maps_are_dilated_from_stride_eight_on(name: str):
    with torch.device("meta"):
        trunk = Drn(name)
    assert trunk.feature_info.reduction() == [1, 2, 4, 8, 8, 8, 8, 8]
    dilations = {k: {c.dilation[0] for c in _spatial(trunk, k)} for k in range(9)}
    assert dilations == {0: {1}, 1: {1}, 2: {1}, 3: {1}, 4: {1}, 5: {2}, 6: {4}, 7: {2}, 8: {1}}


def _spatial(trunk: Drn, k: int) -> list[torch.nn.Conv2d]:
    modules = trunk.get_submodule(f"layer{k}").modules()
    return [module for module in modules if isinstance(module, torch.nn.Conv2d) and module.kernel_size[0] > 1]


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_a_block_whose_residual_is_zero_passes_positive_features_on(block: type[BasicBlock] | type[Bottleneck]):
    unit = block(4 * block.expansion, 4, 1, 2).eval()
    torch.nn.init.zeros_((unit.bn3 if isinstance(unit, Bottleneck) else unit.bn2).weight)
    features = torch.rand(1, 4 * block.expansion, 5, 6)
    torch.testing.assert_close(unit(features), features)


@pytest.mark.parametrize("asked", [16, 32])
def test_a_coarser_output_stride_leaves_it_at_eight(asked: int):
    with torch.device("meta"):
        assert Backbone("drn_d_22", asked).strides[-1] == 8


def test_freezing_three_stages_fixes_the_stem_and_three_layers():
    with torch.device("meta"):
        backbone = Backbone("drn_d_22", 8)
    backbone.freeze_stages(3)
    fixed = {name.split(".")[1] for name, p in backbone.named_parameters() if not p.requires_grad}
    assert fixed == {"layer0", "layer1", "layer2", "layer3"}


def classifier(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As the release of ImageNet classifiers."""
    return state | {"fc.weight": torch.zeros(2, 512, 1, 1), "fc.bias": torch.zeros(2)}


def segmenter(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As the release of Cityscapes networks: the trunk's layers are numbered in `base`."""
    trunk = {key.replace("layer", "base.", 1): value for key, value in state.items()}
    return trunk | {"seg.weight": torch.zeros(19, 512, 1, 1), "up.weight": torch.zeros(19, 1, 16, 16)}


@pytest.mark.parametrize("release, prefix", [(classifier, ""), (segmenter, "module.")])
def test_published_weights_load(tmp_path: Path, release, prefix: str):
    trunk = Drn("drn_d_22").state_dict()
    published = release({key: value for key, value in trunk.items() if not key.endswith("num_batches_tracked")})
    path = tmp_path / "drn_d_22.pth"
    torch.save({prefix + key: value for key, value in published.items()}, path)
    loaded = starting_backbone("drn_d_22", str(path), sha256(path), 0)
    save_backbone(tmp_path / "start.pt", loaded)
    for backbone in (loaded, load_backbone(tmp_path / "start.pt", 8)):
        assert all(torch.equal(value, trunk[key]) for key, value in backbone.body.state_dict().items())
