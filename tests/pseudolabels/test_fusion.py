from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.history import History
from pipeline.pseudolabels.crf import sharpen
from pipeline.pseudolabels.fusion import fuse
from pipeline.pseudolabels.network import SoftTargets
from pipeline.scratch import IN_MEMORY, Scratch
from tests.interruptions import until_done
from tests.pseudolabels.conftest import CRF, FUSE, Discs, cut, mean_error


def soft(maps: Iterable[Tensor]) -> list[SoftTargets]:
    return [SoftTargets(each, 0.5) for each in maps]


SHORT = FUSE.model_copy(update={"epochs": 1, "crf_output": False})


def test_fused_maps_are_nearer_to_the_truth_than_either_prior(weights: Path, discs: Discs):
    history = History()
    fused, _ = fuse(discs.images, discs.images[:1], soft(discs.priors), weights, FUSE, 0, history)
    for prior in discs.priors:
        assert mean_error(fused, discs.truth) < 0.5 * mean_error(cut(prior), discs.truth)
    assert history.rows[-1]["loss"] < history.rows[0]["loss"]


def test_images_never_learned_from_are_predicted_as_well(weights: Path, discs: Discs):
    targets = soft(prior[:24] for prior in discs.priors)
    _, unseen = fuse(discs.images[:24], discs.images[24:], targets, weights, FUSE, 0, History())
    assert unseen.shape == (8, 48, 48)
    assert mean_error(unseen, discs.truth[24:]) < 0.5 * mean_error(cut(discs.priors[0][24:]), discs.truth[24:])


def test_unseen_images_do_not_change_the_pseudolabels(weights: Path, discs: Discs):
    targets = soft(prior[:8] for prior in discs.priors)
    fused = [
        fuse(discs.images[:8], unseen, targets, weights, SHORT, 0, History())[0]
        for unseen in (discs.images[8:9], discs.images[10:16])
    ]
    assert torch.equal(*fused)


def test_crf_output_is_the_sharpened_prediction(weights: Path, discs: Discs):
    images, unseen, targets = discs.images[:8], discs.images[8:11], soft(prior[:8] for prior in discs.priors)
    plain = fuse(images, unseen, targets, weights, SHORT, 0, History())
    crisp = fuse(images, unseen, targets, weights, SHORT.model_copy(update={"crf_output": True}), 0, History())
    for squares, before, after in zip((images, unseen), plain, crisp, strict=True):
        assert torch.equal(after, sharpen(squares, before, CRF))
        assert not torch.equal(after, before)


def test_stopped_at_any_step_it_ends_with_the_same_maps(
    weights: Path, discs: Discs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MASKCONTRAST_CHECKPOINT_SECONDS", "0")
    targets = soft(prior[:8] for prior in discs.priors)
    settings = FUSE.model_copy(update={"epochs": 3})

    def fused(scratch: Scratch) -> list[torch.Tensor]:
        maps = fuse(discs.images[:8], discs.images[8:11], targets, weights, settings, 0, History(), scratch)
        return [each.clone() for each in maps]

    whole = fused(IN_MEMORY)
    resumed, stops = until_done(lambda: fused(Scratch(tmp_path)), 2, monkeypatch)
    assert stops == 5
    assert all(map(torch.equal, resumed, whole))
