import pytest
import timm
import torch

from pipeline.errors import InputError
from pipeline.networks.backbone import Backbone


@pytest.fixture(scope="module")
def resnet50() -> Backbone:
    """Shapes only."""
    with torch.device("meta"):
        return Backbone("resnet50", 8)


def test_resnet50_has_the_papers_number_of_parameters(resnet50: Backbone):
    assert sum(parameter.numel() for parameter in resnet50.parameters()) == 23_508_032


def test_output_stride_eight_keeps_later_stages_at_stride_eight(resnet50: Backbone):
    assert resnet50.strides == [2, 4, 8, 8, 8]
    assert resnet50.channels == [64, 256, 512, 1024, 2048]


def test_feature_maps_have_the_announced_channels_and_strides():
    backbone = Backbone("lcnet_050", 16).eval()
    maps = backbone(torch.rand(1, 3, 64, 32))
    assert [tuple(features.shape) for features in maps] == [
        (1, channels, 64 // stride, 32 // stride)
        for channels, stride in zip(backbone.channels, backbone.strides, strict=True)
    ]


def test_images_are_normalised_to_the_models_mean_and_deviation():
    backbone = Backbone("lcnet_050", 32)
    seen = []
    backbone.body.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image = torch.tensor([0.485 + 0.229, 0.456, 0.406 - 0.225]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    backbone.eval()(image)
    torch.testing.assert_close(seen[0][0, :, 0, 0], torch.tensor([1.0, 0.0, -1.0]), atol=1e-5, rtol=0)


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match="'resnet5000' is no timm model, nor drn_d_22 or drn_d_105"):
        Backbone("resnet5000", 8)


@pytest.mark.parametrize("name, output_stride", [("test_vit", 32), ("densenet121", 32), ("vgg11", 8)])
def test_a_model_without_such_feature_stages_is_refused(name: str, output_stride: int):
    message = f"'{name}' has no feature stages at output stride {output_stride}; choose a convolutional one"
    with torch.device("meta"), pytest.raises(InputError, match=message):
        Backbone(name, output_stride)


@pytest.mark.parametrize("refusal", [RuntimeError, NotImplementedError])
def test_every_way_in_which_timm_refuses_is_answered_alike(monkeypatch: pytest.MonkeyPatch, refusal: type[Exception]):
    def refuse(*_: object, **__: object) -> None:
        raise refusal("features_only is not implemented")

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(InputError, match="'resnet50' has no feature stages at output stride 8"):
        Backbone("resnet50", 8)


def test_freezing_three_stages_of_resnet50_fixes_the_stem_and_two_layers():
    with torch.device("meta"):
        backbone = Backbone("resnet50", 8)
    backbone.freeze_stages(3)
    assert sum(p.numel() for p in backbone.parameters() if not p.requires_grad) == 1_444_928


def test_frozen_stages_stay_in_evaluation_mode_and_the_rest_does_not():
    backbone = Backbone("lcnet_050", 8)
    backbone.freeze_stages(1)
    backbone.train()
    norms = {name: module.training for name, module in backbone.named_modules() if "bn1" in name}
    assert not norms.pop("body.bn1")
    assert any(norms.values())


def test_freezing_no_stage_leaves_all_trainable():
    backbone = Backbone("lcnet_050", 8)
    backbone.freeze_stages(0)
    assert all(parameter.requires_grad for parameter in backbone.parameters())


def test_freezing_more_stages_than_there_are_is_refused():
    with pytest.raises(InputError, match="has 5 stages and 6 cannot be frozen"):
        Backbone("lcnet_050", 8).freeze_stages(6)


@pytest.mark.parametrize("name", ["resnet50", "tf_efficientnet_lite0", "drn_d_22", "drn_d_105"])
def test_every_named_backbone_gives_maps_as_announced_at_output_stride_eight(name: str):
    with torch.device("meta"):
        backbone, images = Backbone(name, 8), torch.rand(1, 3, 64, 48)
        maps = backbone(images)
    assert [tuple(each.shape) for each in maps] == [
        (1, channels, 64 // stride, 48 // stride)
        for channels, stride in zip(backbone.channels, backbone.strides, strict=True)
    ]
    assert backbone.strides[-1] == 8
