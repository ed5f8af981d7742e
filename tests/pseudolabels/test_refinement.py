from pathlib import Path

import pytest
import torch

from pipeline.errors import InputError
from pipeline.history import History
from pipeline.params import RefinePseudolabels
from pipeline.pseudolabels import refinement
from pipeline.pseudolabels.refinement import MovingAverage, average_predictions, prior_threshold, refine
from pipeline.scratch import IN_MEMORY, Scratch
from tests.interruptions import Interrupted, until_done
from tests.pseudolabels.conftest import REFINE, Discs, cut, mean_error


def test_moving_average_equals_its_closed_form():
    values = torch.rand(5, 2, 3, 3)
    average = MovingAverage(0.7, (2, 3, 3))
    for value in values:
        average.update(value)
    weight = torch.tensor([0.3 * 0.7**age for age in (4, 3, 2, 1, 0)])
    expected = (weight.view(5, 1, 1, 1) * values).sum(0) / (1 - 0.7**5)
    torch.testing.assert_close(average.value, expected)


@pytest.mark.parametrize(("decay", "updates"), [(0.7, 1), (0.7, 3), (0.0, 2)])
def test_average_of_equal_maps_is_that_map(decay: float, updates: int):
    maps, average = torch.rand(2, 3, 3), MovingAverage(decay, (2, 3, 3))
    for _ in range(updates):
        average.update(maps)
    torch.testing.assert_close(average.value, maps)


def test_only_the_last_epochs_are_averaged_each_sharpened(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refinement, "sharpen", lambda images, saliency, *rest: saliency / 2)
    settings = REFINE.model_copy(update={"epochs": 5, "averaged_epochs": 2, "moving_average": 0.5})
    epochs = enumerate(torch.full((1, 4, 4), value) for value in (0.9, 0.9, 0.9, 0.4, 0.8))
    images, average = torch.zeros(1, 3, 4, 4, dtype=torch.uint8), MovingAverage(0.5, (1, 4, 4))
    averaged = average_predictions(epochs, average, images, settings)
    # (0.25 * 0.2 + 0.5 * 0.4) / 0.75
    torch.testing.assert_close(averaged, torch.full((1, 4, 4), 1 / 3))


def test_threshold_of_a_prior_is_the_factor_times_the_mean_of_all_its_maps():
    prior = torch.tensor([[[0, 0], [0, 0]], [[0, 0], [102, 102]]], dtype=torch.uint8)
    assert prior_threshold(prior, "rbd", {}, 1.5) == pytest.approx(1.5 * 0.1)
    assert prior_threshold(prior, "mc", {"mc": 0.31}, 1.5) == 0.31
    assert prior_threshold(prior, "rbd", {"mc": 0.31}, 2.0) == pytest.approx(0.2)


def test_a_prior_without_salient_pixels_is_refused_with_its_threshold():
    maps = torch.full((2, 4, 4), 20, dtype=torch.uint8)
    with pytest.raises(InputError, match=r"the rbd maps is above 0\.118, .* 1\.5 times .* lower refine_pseudolabels"):
        prior_threshold(maps, "rbd", {}, 1.5)
    with pytest.raises(InputError, match=r"of the mc maps is above 0\.310"):
        prior_threshold(maps, "mc", {"mc": 0.31}, 1.5)


def refined_maps(
    discs: Discs,
    weights: Path,
    settings: RefinePseudolabels,
    seed: int = 0,
    history: History | None = None,
    scratch: Scratch = IN_MEMORY,
) -> torch.Tensor:
    """The refined maps of the first prior of the first 8 discs."""
    prior = discs.priors[0][:8]
    threshold = prior_threshold(prior, "rbd", {}, 1.5)
    refined, _ = refine(
        discs.images[:8], discs.images[8:9], prior, threshold, weights, settings, seed, history or History(), scratch
    )
    return refined.clone()


def test_refined_maps_are_nearer_to_the_truth_than_the_prior(weights: Path, discs: Discs):
    history = History()
    images, prior = discs.images, discs.priors[0]
    threshold = prior_threshold(prior[:24], "rbd", {}, 1.5)
    refined, unseen = refine(images[:24], images[24:], prior[:24], threshold, weights, REFINE, 0, history)
    noise = mean_error(cut(prior), discs.truth)
    assert mean_error(refined, discs.truth[:24]) < 0.5 * noise
    assert mean_error((unseen > 0.5).float(), discs.truth[24:]) < noise
    assert history.rows[-1]["loss"] < history.rows[0]["loss"]


def test_each_round_learns_from_the_maps_of_the_one_before_at_its_own_rate(
    weights: Path, discs: Discs, monkeypatch: pytest.MonkeyPatch
):
    taught, rates = [], []
    plain_train = refinement.train

    def spying_train(network, inputs, targets, settings, rate, *rest, **kept):
        taught.append(targets)
        rates.append(rate)
        return plain_train(network, inputs, targets, settings, rate, *rest, **kept)

    monkeypatch.setattr(refinement, "train", spying_train)
    settings = REFINE.model_copy(update={"learning_rates": [0.003, 0.001], "epochs": 2, "averaged_epochs": 1})
    history = History()
    once = refined_maps(discs, weights, settings.model_copy(update={"learning_rates": [0.003]}))
    refined_maps(discs, weights, settings, history=history)
    assert [(row["round"], row["epoch"]) for row in history.rows] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert rates == [0.003, 0.003, 0.001]
    (_,), (first,), (second,) = taught
    assert first.threshold == pytest.approx(1.5 * float(discs.priors[0][:8].float().mean()) / 255)
    assert torch.equal(first.maps, discs.priors[0][:8])
    assert second.threshold == 0.5
    torch.testing.assert_close(second.maps.float() / 255, once, atol=0.5 / 255 + 1e-6, rtol=0)


def test_the_same_seed_gives_the_same_maps(weights: Path, discs: Discs):
    settings = REFINE.model_copy(update={"epochs": 2, "averaged_epochs": 2})

    def refined(seed: int) -> torch.Tensor:
        return refined_maps(discs, weights, settings, seed)

    assert torch.equal(refined(0), refined(0))
    assert not torch.equal(refined(0), refined(1))


SHORT = REFINE.model_copy(update={"learning_rates": [0.003, 0.003], "epochs": 3, "averaged_epochs": 2})


@pytest.mark.parametrize("frozen", [False, True])
def test_stopped_at_any_step_of_any_round_it_ends_with_the_same_maps(
    weights: Path, discs: Discs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frozen: bool
):
    monkeypatch.setenv("MASKCONTRAST_CHECKPOINT_SECONDS", "0")
    settings = SHORT.model_copy(update={"frozen_backbone": frozen})

    def refined(scratch: Scratch) -> tuple[torch.Tensor, list[dict]]:
        history = History()
        return refined_maps(discs, weights, settings, 0, history, scratch), history.rows

    whole = refined(IN_MEMORY)
    resumed, stops = until_done(lambda: refined(Scratch(tmp_path)), 2, monkeypatch)
    assert stops == 11
    assert torch.equal(resumed[0], whole[0])
    assert resumed[1] == whole[1]


def test_stopped_between_epochs_while_it_averages_it_ends_with_the_same_maps(
    weights: Path, discs: Discs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refined(scratch: Scratch) -> torch.Tensor:
        return refined_maps(discs, weights, SHORT, scratch=scratch)

    whole, update, stop = refined(IN_MEMORY), MovingAverage.update, [1, 0, 1, 0, 1, 0, 0]

    def stopping(average: MovingAverage, values: torch.Tensor) -> None:
        update(average, values)
        if stop.pop(0):
            raise Interrupted

    monkeypatch.setattr(MovingAverage, "update", stopping)
    for _ in range(3):
        with pytest.raises(Interrupted):
            refined(Scratch(tmp_path))
    assert torch.equal(refined(Scratch(tmp_path)), whole)
    # Of two updates in either round the first was made twice, and the second of the first round, too.
    assert stop == []
