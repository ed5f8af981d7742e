import numpy as np
import pytest
import torch

from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.networks.backbone import Backbone
from pipeline.networks.deeplab import DeepLab
from pipeline.scratch import Scratch
from pipeline.seeding import generator
from pipeline.segmentation import frozen_features
from pipeline.segmentation.augmentation import augment
from pipeline.segmentation.frozen_features import FrozenFeatures, channel_moments
from pipeline.segmentation.label_batches import LabelledSquares, square_pair
from pipeline.segmentation.linear_head import LinearHead
from tests.profiles import changed
from tests.segmentation.networks import SECTION, random_backbone, random_deeplab

Coloured = tuple[ImageSet, LabelSet]


def features_of(coloured: Coloured, network: Backbone | DeepLab, views: int = 0, **settings) -> FrozenFeatures:
    squares = LabelledSquares(*coloured, np.arange(6), 64)
    return FrozenFeatures(network, squares, changed(SECTION, batch=4, **settings), views)


def test_standardised_features_have_mean_zero_and_unit_mean_square_length(coloured: Coloured) -> None:
    features = features_of(coloured, random_deeplab())
    head = LinearHead(*channel_moments(features), 3)
    maps = torch.cat([found for found, _ in features.passed(features.in_order())])
    standardised = (maps - head.mean) / head.scale
    torch.testing.assert_close(standardised.mean((0, 2, 3)), torch.zeros(32), atol=1e-5, rtol=0)
    assert float(standardised.square().sum(1).mean()) == pytest.approx(1, abs=1e-4)


def test_constant_channel_says_nothing_wherever_it_is_seen(coloured: Coloured) -> None:
    network = random_deeplab()
    last = network.decoder[2]
    assert isinstance(last, torch.nn.BatchNorm2d)
    with torch.no_grad():
        last.weight[3], last.bias[3] = 0, 0.1
    mean, std = channel_moments(features_of(coloured, network))
    head = LinearHead(mean, std, 3)
    assert std[3] == torch.inf
    elsewhere = mean[None, :, None, None] + torch.eye(32)[3, None, :, None, None]
    assert head(elsewhere).abs().max() == 0


@pytest.mark.parametrize("views", [0, 2])
def test_features_computed_anew_are_those_that_are_kept(
    coloured: Coloured, views: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = features_of(coloured, random_deeplab(), views)
    monkeypatch.setattr(frozen_features, "KEPT_BYTES", kept.rows * (4 * 32 * 8 * 8 + 64 * 64) - 1)
    anew = features_of(coloured, random_deeplab(), views)
    assert kept.kept is not None and anew.kept is None
    order = [[kept.rows - 1, 0], [3]]
    for one, other in zip(kept.passed(order), anew.passed(order), strict=True):
        torch.testing.assert_close(one[0], other[0])
        assert torch.equal(one[1], other[1])


def test_views_are_drawn_once_and_come_in_turn(coloured: Coloured) -> None:
    features = features_of(coloured, random_backbone(), 2)
    assert [features.view(epoch) for epoch in range(3)] == [list(range(6)), list(range(6, 12)), list(range(6))]
    # Row 9 is image 3 in view 1.
    rng = generator(SECTION.seeds[0], "augmentation", 1, 3)
    image, labels = square_pair(*augment(*features.squares.original(3), rng), 64)
    ((maps, truth),) = features.passed([[9]])
    with torch.no_grad():
        torch.testing.assert_close(maps, features.network(image[None])[-1])
    assert torch.equal(truth[0], labels)
    ((again, _),) = features.passed([[9]])
    assert torch.equal(maps, again)


def test_what_is_outside_a_view_follows_the_section(coloured: Coloured) -> None:
    ignored, background = (
        torch.cat([truth for _, truth in features.passed([features.view(0)])])
        for features in (
            features_of(coloured, random_backbone(), 1, outside=name) for name in ("ignored", "background")
        )
    )
    assert (ignored == 255).any() and not (background == 255).any()
    assert torch.equal(background[ignored != 255], ignored[ignored != 255])
    assert not background[ignored == 255].any()


def test_kept_features_may_lie_on_disk(coloured: Coloured, tmp_path) -> None:
    squares = LabelledSquares(*coloured, np.arange(6), 64)
    on_disk, in_memory = (
        FrozenFeatures(random_backbone(), squares, SECTION, 0, scratch) for scratch in (Scratch(tmp_path), Scratch())
    )
    for one, other in zip(on_disk.passed([[5, 1]]), in_memory.passed([[5, 1]]), strict=True):
        assert all(map(torch.equal, one, other))
