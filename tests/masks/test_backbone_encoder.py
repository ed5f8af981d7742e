import pytest
import torch

from pipeline.errors import InputError
from pipeline.masks.backbone_encoder import BackboneEncoder
from pipeline.masks.basnet import OUTPUTS, BasNet
from pipeline.networks.backbone import Backbone

NAME = "lcnet_050"


def network() -> BasNet:
    torch.manual_seed(0)
    return BasNet(4, BackboneEncoder(Backbone(NAME, 32), 4))


def test_the_maps_have_the_channels_and_sizes_of_basnets_own_encoder():
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        own = BasNet(4).encoder(images)
        maps = network().encoder(images)
    assert [each.shape[1] for each in maps] == [each.shape[1] for each in own] == [4, 8, 16, 32, 32, 32]
    assert [each.shape[2:] for each in maps] == [(64 >> k, 96 >> k) for k in range(6)]


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 50)])
def test_every_output_has_the_size_of_the_image(size: tuple[int, int]):
    with torch.no_grad():
        logits = network().eval()(torch.rand(2, 3, *size))
    assert logits.shape == (2, OUTPUTS, *size)


def test_every_parameter_receives_a_gradient():
    basnet = network()
    basnet(torch.rand(2, 3, 64, 64)).sum().backward()
    assert [name for name, parameter in basnet.named_parameters() if parameter.grad is None] == []


def test_stem_and_backbone_both_see_normalised_images():
    encoder, seen = BackboneEncoder(Backbone(NAME, 32), 4).eval(), []
    for module in (encoder.stem, encoder.backbone.body):
        module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        encoder(torch.tensor([0.485, 0.456 + 0.224, 0.406 - 0.225]).view(1, 3, 1, 1).expand(1, 3, 32, 32))
    for images in seen:
        torch.testing.assert_close(images[0, :, 0, 0], torch.tensor([0.0, 1.0, -1.0]))
    assert len(seen) == 2


def test_a_backbone_without_five_strides_is_refused_with_those_it_has():
    with torch.device("meta"):
        dilated = Backbone(NAME, 8)
    with pytest.raises(InputError, match=r"lcnet_050 has feature maps at strides \[2, 4, 8, 8, 8\].* set train_basnet"):
        BackboneEncoder(dilated, 4)
