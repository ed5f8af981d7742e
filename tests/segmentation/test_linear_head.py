from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pipeline.history import History
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.metrics.confusion import mean_iou
from pipeline.networks.backbone import Backbone
from pipeline.networks.deeplab import DeepLab
from pipeline.params import ProbeLinear
from pipeline.scratch import Scratch
from pipeline.segmentation import linear_head
from pipeline.segmentation.label_batches import LabelledSquares
from pipeline.segmentation.linear_head import (
    FrozenFeatures,
    LinearHead,
    Probe,
    channel_moments,
    mean_and_spread,
    probe,
    step_decay,
)
from tests.interruptions import until_done
from tests.profiles import SAMPLE, changed

Coloured = tuple[ImageSet, LabelSet]
SECTION = ProbeLinear(
    train="train", test="val", size=64, batch=3, epochs=40, learning_rate=5.0,
    weight_decay=1e-6, decay_epochs=[30], seeds=[0],
)  # fmt: skip


def random_backbone() -> Backbone:
    torch.manual_seed(0)
    return Backbone("test_resnet", output_stride=8)


def random_deeplab() -> DeepLab:
    return DeepLab(
        random_backbone(), changed(SAMPLE.pretrain.encoder, atrous_rates=[1, 2], decoder_channels=32, dropout=0.5)
    )


def training_features(coloured: Coloured, network: Backbone | DeepLab) -> FrozenFeatures:
    return FrozenFeatures(network, LabelledSquares(*coloured, np.arange(6), 64), 4)


# Random features tell colours apart; a random decoder mixes them over large surroundings. One class alone has 0.17.
@pytest.mark.parametrize(("network", "bound"), [(random_backbone, 0.9), (random_deeplab, 0.5)])
def test_colours_that_are_classes_are_found_in_random_features(
    coloured: Coloured, network: Callable[[], Backbone | DeepLab], bound: float
) -> None:
    (found,) = probe(network(), *coloured, SECTION)
    assert mean_iou(found.confusion) > bound
    assert found.confusion.sum() == 2 * 44 * 64
    assert found.history.rows[-1]["epoch"] == 40


def test_head_represents_a_plain_classifier() -> None:
    torch.manual_seed(0)
    mean, std, features = torch.randn(7), torch.rand(7) + 0.1, torch.randn(2, 7, 3, 3)
    head = LinearHead(mean, std, 4)
    weight, bias = head.classifier.weight, head.classifier.get_parameter("bias")
    folded = weight / (7**0.5 * std[None, :, None, None])
    expected = F.conv2d(features, folded, bias - (folded[..., 0, 0] @ mean))
    torch.testing.assert_close(head(features), expected)


def test_standardised_features_have_mean_zero_and_unit_mean_square_length(coloured: Coloured) -> None:
    features = training_features(coloured, random_deeplab())
    head = LinearHead(*channel_moments(features), 3)
    maps = torch.cat([features.maps(inputs) for inputs, _ in features.batches(features.in_order)])
    standardised = (maps - head.mean) / head.scale
    torch.testing.assert_close(standardised.mean((0, 2, 3)), torch.zeros(32), atol=1e-5, rtol=0)
    assert float(standardised.square().sum(1).mean()) == pytest.approx(1, abs=1e-4)


def test_constant_channel_says_nothing_wherever_it_is_seen(coloured: Coloured) -> None:
    network = random_deeplab()
    last = network.decoder[2]
    assert isinstance(last, torch.nn.BatchNorm2d)
    with torch.no_grad():
        last.weight[3], last.bias[3] = 0, 0.1
    mean, std = channel_moments(training_features(coloured, network))
    head = LinearHead(mean, std, 3)
    assert std[3] == torch.inf
    elsewhere = mean[None, :, None, None] + torch.eye(32)[3, None, :, None, None]
    assert head(elsewhere).abs().max() == 0


def test_features_computed_anew_give_the_same_probe(coloured: Coloured, monkeypatch: pytest.MonkeyPatch) -> None:
    section = SECTION.model_copy(update={"epochs": 2})
    (kept,) = probe(random_deeplab(), *coloured, section)
    monkeypatch.setattr(linear_head, "KEPT_BYTES", 0)
    assert training_features(coloured, random_deeplab()).kept is None
    (anew,) = probe(random_deeplab(), *coloured, section)
    assert [row["loss"] for row in anew.history.rows] == pytest.approx([row["loss"] for row in kept.history.rows])


def test_probing_leaves_the_network_as_it_was(coloured: Coloured) -> None:
    network = random_deeplab()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    probe(network, *coloured, SECTION.model_copy(update={"epochs": 1}))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_seed_decides_the_numbers(coloured: Coloured) -> None:
    section = SECTION.model_copy(update={"epochs": 2, "seeds": [3, 4, 3]})
    first, other, again = probe(random_deeplab(), *coloured, section)
    assert [first.seed, other.seed, again.seed] == [3, 4, 3]
    assert first.history.rows == again.history.rows != other.history.rows
    assert np.array_equal(first.confusion, again.confusion)


def test_stopped_at_any_step_of_any_seed_it_ends_with_the_same_numbers(
    coloured: Coloured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKCONTRAST_CHECKPOINT_SECONDS", "0")
    section = SECTION.model_copy(update={"epochs": 2, "seeds": [3, 4]})
    whole = probe(random_deeplab(), *coloured, section)
    resumed, stops = until_done(lambda: probe(random_deeplab(), *coloured, section, Scratch(tmp_path)), 2, monkeypatch)
    assert stops == 2 * 2 * 2 - 1
    for one, other in zip(resumed, whole, strict=True):
        assert one.history.rows == other.history.rows
        assert np.array_equal(one.confusion, other.confusion)


@pytest.mark.parametrize(("epoch", "factor"), [(0, 1), (14, 1), (15, 0.1), (17, 0.1), (18, 0.01), (40, 0.01)])
def test_rate_falls_to_a_tenth_at_each_decay_epoch(epoch: int, factor: float) -> None:
    assert step_decay(epoch, [15, 18]) == pytest.approx(factor)


def test_spread_is_the_sample_deviation_in_percent() -> None:
    perfect, half = np.array([[4, 0], [0, 4]]), np.array([[4, 0], [4, 0]]).T
    probes = [Probe(0, perfect, History()), Probe(1, half, History())]
    # IoU 1, 1 and (4 of 8 background, 0 of 4): mIoU 100 and 25; deviation 75 / sqrt(2).
    assert mean_and_spread(probes) == pytest.approx({"seeds": 2, "miou_mean": 62.5, "miou_std": 53.0330})
    assert mean_and_spread(probes[1:])["miou_std"] == 0
