from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.metrics.confusion import Confusion, mean_iou
from pipeline.networks.backbone import Backbone, save_backbone
from pipeline.networks.deeplab import DeepLab
from pipeline.networks.weights import save_network
from pipeline.params import Finetune, FinetuneRates
from pipeline.scratch import Scratch
from pipeline.segmentation import finetuning
from pipeline.segmentation.finetuning import (
    Segmenter,
    draw_batches,
    finetune,
    freeze_batchnorm,
    initial_network,
    learning_rates,
    parameter_groups,
    score_segmenter,
)
from pipeline.segmentation.label_batches import LabelledSquares
from tests.interruptions import until_done
from tests.profiles import SAMPLE, changed

Coloured = tuple[ImageSet, LabelSet]
ENCODER = changed(SAMPLE.pretrain.encoder, atrous_rates=[1, 2], decoder_channels=16, dropout=0.1)
LEARNING = FinetuneRates(network=0.02, classifier=1.0, frozen_batchnorm=False)
SMALL = FinetuneRates(network=0.001, classifier=0.1, frozen_batchnorm=True)
FROZEN = FinetuneRates(network=0.02, classifier=1.0, frozen_batchnorm=True)
SECTION = Finetune(
    test="val",
    size=64,
    batch=4,
    iterations=30,
    weight_decay=1e-4,
    start=LEARNING,
    maskcontrast=FROZEN,
    small_up_to=0.02,
    maskcontrast_small=SMALL,
    crf=SAMPLE.finetune.crf,
)
SHORT = SECTION.model_copy(update={"iterations": 3})


def random_deeplab() -> DeepLab:
    torch.manual_seed(0)
    return DeepLab(Backbone("test_resnet", 8), ENCODER)


@pytest.fixture
def train(coloured: Coloured) -> LabelledSquares:
    return LabelledSquares(*coloured, np.arange(6), 64)


@pytest.mark.parametrize(("images", "batch", "iterations"), [(5, 3, 7), (2, 8, 4), (1, 2, 3), (6, 3, 4)])
def test_every_image_is_drawn_as_often_as_any_other(images: int, batch: int, iterations: int) -> None:
    draws = draw_batches(images, batch, iterations, seed=0)
    seen = np.bincount([j for row in draws for _, _, j in row], minlength=images)
    assert np.ptp(seen) <= 1
    assert [[draw[:2] for draw in row] for row in draws] == [
        [(iteration, position) for position in range(batch)] for iteration in range(iterations)
    ]


@pytest.mark.parametrize("fraction", [0.01, 0.02, 0.05, 0.125, 1.0])
def test_small_fractions_have_rates_of_their_own_from_maskcontrast_alone(fraction: float) -> None:
    assert learning_rates(SECTION, "start", fraction) == LEARNING
    assert learning_rates(SECTION, "maskcontrast", fraction) == (SMALL if fraction < 0.03 else FROZEN)
    never = SECTION.model_copy(update={"small_up_to": 0.0})
    assert learning_rates(never, "maskcontrast", fraction) == FROZEN


def test_classifier_and_network_have_their_own_rates_and_all_parameters_learn() -> None:
    segmenter = Segmenter(random_deeplab(), 3)
    network, classifier = parameter_groups(segmenter, LEARNING)
    assert (network["lr"], classifier["lr"]) == (0.02, 1.0)
    assert classifier["params"] == list(segmenter.classifier.parameters())
    assert len(network["params"]) + 2 == len(list(segmenter.parameters()))  # type: ignore[arg-type]


def test_frozen_statistics_stay_while_scale_and_shift_learn(train: LabelledSquares) -> None:
    network = random_deeplab()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    segmenter, _ = finetune(network, train, SHORT, FROZEN, seed=0)
    after = segmenter.deeplab.state_dict()
    changed = {name.rsplit(".", 1)[1] for name in after if not torch.equal(before[name], after[name])}
    assert changed == {"weight", "bias"}


def test_statistics_follow_the_images_unless_frozen(train: LabelledSquares) -> None:
    network = random_deeplab()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items() if "running" in name}
    segmenter, _ = finetune(network, train, SHORT, LEARNING, seed=0)
    after = segmenter.deeplab.state_dict()
    assert all(not torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_freezing_batchnorm_leaves_dropout_on() -> None:
    network = random_deeplab().train()
    freeze_batchnorm(network)
    modes = {type(module).__name__: module.training for module in network.modules()}
    assert modes["BatchNorm2d"] is False
    assert modes["Dropout"] is True


def test_finetuning_learns_classes_that_are_colours(coloured: Coloured, train: LabelledSquares) -> None:
    val = LabelledSquares(*coloured, np.array([6, 7]), 64)
    segmenter, history = finetune(random_deeplab(), train, SECTION, LEARNING, seed=0)
    confusion = score_segmenter(segmenter, val, 2)
    assert confusion.sum() == 2 * 44 * 64
    assert mean_iou(confusion) > 0.9
    assert [row["iteration"] for row in history.rows] == [3, 6, 9, 12, 15, 18, 21, 24, 27, 30]


def test_same_seed_gives_the_same_network_and_another_seed_another(train: LabelledSquares) -> None:
    first, again, other = (finetune(random_deeplab(), train, SHORT, FROZEN, seed) for seed in (0, 0, 1))
    assert first[1].rows == again[1].rows != other[1].rows
    states = [segmenter.state_dict() for segmenter, _ in (first, again)]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_stopped_at_any_step_it_ends_with_the_same_network(
    train: LabelledSquares, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKCONTRAST_CHECKPOINT_SECONDS", "0")
    whole, history = finetune(random_deeplab(), train, SHORT, LEARNING, seed=0)
    (resumed, other), stops = until_done(
        lambda: finetune(random_deeplab(), train, SHORT, LEARNING, 0, Scratch(tmp_path)), 2, monkeypatch
    )
    assert stops == 2
    assert other.rows == history.rows
    assert all(map(torch.equal, resumed.state_dict().values(), whole.state_dict().values()))


def test_fewer_iterations_than_stretches_are_logged_one_by_one(train: LabelledSquares) -> None:
    _, history = finetune(random_deeplab(), train, SHORT, FROZEN, seed=0)
    assert [row["iteration"] for row in history.rows] == [1, 2, 3]


def test_starting_weights_get_a_fresh_decoder_from_the_seed(tmp_path: Path) -> None:
    torch.manual_seed(5)
    backbone = Backbone("test_resnet", 32)
    save_backbone(tmp_path / "start.pt", backbone)
    first, again, other = (initial_network("start", tmp_path / "start.pt", ENCODER, seed) for seed in (0, 0, 1))
    assert first.channels == 16
    assert torch.equal(first.decoder[1].weight, again.decoder[1].weight)  # type: ignore[arg-type]
    assert not torch.equal(first.decoder[1].weight, other.decoder[1].weight)  # type: ignore[arg-type]
    assert all(torch.equal(t, first.backbone.body.state_dict()[name]) for name, t in backbone.body.state_dict().items())


def test_pretrained_weights_come_with_their_decoder(tmp_path: Path) -> None:
    network = random_deeplab()
    config = {"backbone": "test_resnet", **ENCODER.model_dump()}
    save_network(
        tmp_path / "m.pt", "encoder", config, {f"deeplab.{name}": t for name, t in network.state_dict().items()}
    )
    loaded = initial_network("maskcontrast", tmp_path / "m.pt", ENCODER, 0)
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in network.state_dict().items())


def test_after_the_crf_the_same_images_are_scored(
    coloured: Coloured, train: LabelledSquares, monkeypatch: pytest.MonkeyPatch
) -> None:
    val = LabelledSquares(*coloured, np.array([6, 7]), 64)
    given = []
    monkeypatch.setattr(finetuning, "score_after_crf", lambda *arguments: given.append(arguments) or Confusion(3, 3))
    segmenter = Segmenter(random_deeplab(), 3)
    crf = changed(SECTION.crf, backend="pydensecrf")
    assert not score_segmenter(segmenter, val, 1, crf).any()
    ((logits, squares, settings),) = given
    assert (squares, settings) == (val, crf)
    assert len(list(logits)) == 2
