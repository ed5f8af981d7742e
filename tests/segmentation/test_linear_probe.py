import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.errors import InputError
from pipeline.history import History
from pipeline.images.codecs import encode_png
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.metrics.confusion import mean_iou
from pipeline.networks.backbone import Backbone
from pipeline.networks.deeplab import DeepLab
from pipeline.packed import write_packed
from pipeline.params import ProbeLinear
from pipeline.scratch import Scratch
from pipeline.segmentation import linear_probe
from pipeline.segmentation.linear_probe import BestEpoch, Probe, mean_and_spread, probe
from tests.interruptions import until_done
from tests.profiles import changed
from tests.segmentation.networks import SECTION, random_backbone, random_deeplab

Coloured = tuple[ImageSet, LabelSet]
SHORT = changed(SECTION, epochs=2, evaluate_every=1)
# Features of random weights are small, so that a plain head needs a larger rate than the paper's.
PLAIN = changed(SECTION, views=3, standardize=False, learning_rate=5.0, weight_decay=1e-4)


# Random features tell colours apart; a random decoder mixes them over large surroundings. One class alone has 0.17.
@pytest.mark.parametrize(
    ("network", "section", "bound"),
    [(random_backbone, SECTION, 0.9), (random_deeplab, SECTION, 0.5), (random_backbone, PLAIN, 0.8)],
)
def test_colours_that_are_classes_are_found_in_random_features(
    coloured: Coloured, network: Callable[[], Backbone | DeepLab], section: ProbeLinear, bound: float
) -> None:
    (found,) = probe(network(), *coloured, section)
    assert mean_iou(found.confusions["last"]) > bound
    assert all(confusion.sum() == 2 * 44 * 64 for confusion in found.confusions.values())
    assert found.losses.rows[-1]["epoch"] == 40


def test_epochs_are_evaluated_as_often_as_asked_and_the_last_one_always(coloured: Coloured) -> None:
    (found,) = probe(random_backbone(), *coloured, changed(SECTION, epochs=7, evaluate_every=3))
    assert [row["epoch"] for row in found.validation.rows] == [3, 6, 7]


def test_the_best_epoch_is_scored_with_its_own_weights(coloured: Coloured, monkeypatch: pytest.MonkeyPatch) -> None:
    (two,) = probe(random_deeplab(), *coloured, changed(SHORT, epochs=2))
    # mIoU on squares after epochs 1 to 4: 25, 100, 25, 100.
    half, right = np.array([[4, 0], [4, 0]]).T, np.array([[4, 0], [0, 4]])
    given = iter([half, right, half, right])
    monkeypatch.setattr(linear_probe, "square_confusion", lambda *_: next(given))
    (four,) = probe(random_deeplab(), *coloured, changed(SHORT, epochs=4))
    assert [row["miou"] for row in four.validation.rows] == pytest.approx([25, 100, 25, 100])
    assert np.array_equal(four.confusions["best_on_val"], two.confusions["last"])
    assert not np.array_equal(four.confusions["best_on_val"], four.confusions["last"])


def test_of_equal_epochs_the_first_is_kept_as_it_was() -> None:
    best, head = BestEpoch(), nn.Conv2d(1, 1, 1)
    kept = head.weight.detach().clone()
    for miou in (50.0, 50.0, 40.0):
        best.offer(miou, head)
        with torch.no_grad():
            head.weight += 1
    assert best.miou == 50
    assert torch.equal(best.weights["weight"], kept)


def test_an_epoch_sees_the_next_view(coloured: Coloured, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []
    shuffled = linear_probe.shuffled_batches

    def noted(items: np.ndarray, *rest) -> list[list[int]]:
        seen.append({row // 6 for row in items.tolist()})
        return shuffled(items, *rest)

    monkeypatch.setattr(linear_probe, "shuffled_batches", noted)
    probe(random_backbone(), *coloured, changed(SECTION, epochs=4, views=3))
    assert seen == [{0}, {1}, {2}, {0}]


def test_probing_leaves_the_network_as_it_was(coloured: Coloured) -> None:
    network = random_deeplab()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    probe(network, *coloured, changed(SECTION, epochs=1))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_seed_decides_the_numbers(coloured: Coloured) -> None:
    first, other, again = probe(random_deeplab(), *coloured, changed(SHORT, seeds=[3, 4, 3], views=2))
    assert [first.seed, other.seed, again.seed] == [3, 4, 3]
    assert first.losses.rows == again.losses.rows != other.losses.rows
    assert first.validation.rows == again.validation.rows
    assert all(np.array_equal(found, again.confusions[name]) for name, found in first.confusions.items())


@pytest.mark.parametrize("views", [0, 2])
def test_stopped_at_any_step_of_any_seed_it_ends_with_the_same_numbers(
    coloured: Coloured, tmp_path: Path, views: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKCONTRAST_CHECKPOINT_SECONDS", "0")
    section = changed(SHORT, seeds=[3, 4], views=views)
    whole = probe(random_deeplab(), *coloured, section)
    resumed, stops = until_done(lambda: probe(random_deeplab(), *coloured, section, Scratch(tmp_path)), 2, monkeypatch)
    assert stops == 2 * 2 * 2 - 1
    for one, other in zip(resumed, whole, strict=True):
        assert one.losses.rows == other.losses.rows
        assert one.validation.rows == other.validation.rows
        assert list(one.confusions) == list(other.confusions) == ["last", "best_on_val"]
        assert all(np.array_equal(found, other.confusions[name]) for name, found in one.confusions.items())


def test_a_batch_of_one_image_is_a_batch(coloured: Coloured) -> None:
    (found,) = probe(random_deeplab(), *coloured, changed(SHORT, batch=5))
    assert all(np.isfinite(row["loss"]) for row in found.losses.rows)
    assert found.confusions["last"].sum() == 2 * 44 * 64


def test_an_image_without_a_labelled_pixel_teaches_nothing_and_is_not_scored(
    coloured: Coloured, tmp_path: Path
) -> None:
    images, labels = coloured
    maps = [labels.labels(i).copy() for i in range(8)]
    maps[0][:], maps[6][:] = 255, 255
    entries = [(image_id, encode_png(each)) for image_id, each in zip(labels.ids, maps, strict=True)]
    write_packed(tmp_path / "ignored.h5", entries, "labels", metadata=labels.metadata)
    (found,) = probe(random_deeplab(), images, LabelSet(tmp_path / "ignored.h5"), changed(SHORT, batch=1))
    assert found.losses.rows[0]["loss"] > 0
    assert found.confusions["last"].sum() == 44 * 64


def test_an_unlabelled_split_is_refused(coloured: Coloured) -> None:
    with pytest.raises(InputError, match="1 of 2 images have no labels"):
        probe(random_backbone(), *coloured, changed(SHORT, test="bare"))


def test_a_crf_that_is_not_installed_is_refused_before_anything_is_computed(
    coloured: Coloured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pydensecrf", "pydensecrf.densecrf"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(linear_probe, "FrozenFeatures", None)
    crf = SECTION.crf.model_copy(update={"backend": "pydensecrf"})
    with pytest.raises(InputError, match="--extra crf"):
        probe(random_backbone(), *coloured, SHORT.model_copy(update={"crf": crf}))


def test_spread_is_the_sample_deviation_in_percent() -> None:
    perfect, half = np.array([[4, 0], [0, 4]]), np.array([[4, 0], [4, 0]]).T
    probes = [
        Probe(seed, {"last": last, "best_on_val": perfect}, History(), History())
        for seed, last in enumerate((perfect, half))
    ]
    # IoU 1, 1 and (4 of 8 background, 0 of 4): mIoU 100 and 25; deviation 75 / sqrt(2).
    found = mean_and_spread(probes)
    assert found["seeds"] == 2
    assert found["last"] == pytest.approx({"miou_mean": 62.5, "miou_std": 53.0330}, abs=1e-4)
    assert found["best_on_val"] == {"miou_mean": 100, "miou_std": 0}
    assert mean_and_spread(probes[1:])["last"]["miou_std"] == 0
