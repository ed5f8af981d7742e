"""Several processes do together what one does alone."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline import params
from pipeline.contrast.prototypes import pool_pixels
from tests.contrast import shared_step
from tests.profiles import changed
from tests.training import ranks

pytestmark = pytest.mark.slow


CHOICES = (
    {"class_balance": True, "saliency_balance": True, "batchnorm": "shuffled"},
    {"class_balance": False, "saliency_balance": False, "batchnorm": "synchronised"},
)


@pytest.fixture
def settings(settings: params.Pretrain) -> params.Pretrain:
    """Without dropout, which each process draws for itself."""
    return changed(settings, queue=12, momentum=0.5, encoder=changed(settings.encoder, dropout=0.0))


def results(
    settings: list[params.Pretrain], processes: int, tmp_path: Path, frozen: bool = True
) -> list[dict[str, Tensor]]:
    files, out = [str(tmp_path / f"{i}.json") for i in range(len(settings))], tmp_path / f"{processes}.pt"
    for file, each in zip(files, settings, strict=True):
        Path(file).write_text(each.model_dump_json())
    if processes == 1:
        shared_step.main(files, str(out), frozen)
    else:
        ranks.run(shared_step.main, processes, tmp_path / f"{processes}.meeting", files, str(out), frozen)
    return torch.load(out, weights_only=True)


def relative_error(name: str, found: Tensor, expected: Tensor) -> float:
    if name.endswith("embedding_std"):
        # Its square is what is left of 1, the power of directions, without that of their mean.
        return float((found.double().square() - expected.double().square()).abs())
    return float((found - expected).double().norm() / expected.double().norm().clamp_min(1e-3))


def test_losses_gradients_and_queue_do_not_depend_on_the_number_of_processes(
    settings: params.Pretrain, tmp_path: Path
) -> None:
    chosen = [changed(settings, **choice) for choice in CHOICES]
    alone = results(chosen, 1, tmp_path)
    for processes in (2, 4):
        for ours, expected in zip(results(chosen, processes, tmp_path), alone, strict=True):
            assert ours.keys() == expected.keys()
            for name, value in expected.items():
                assert relative_error(name, ours[name], value) <= 1e-5, (processes, name)


def test_local_negatives_are_those_of_the_process(settings: params.Pretrain, tmp_path: Path) -> None:
    local = changed(settings, negatives="local", class_balance=False)
    (ours,) = results([local], 2, tmp_path)
    halves = [shared_step.results(local, part=part) for part in (range(4), range(4, 8))]
    # Each half alone has its mean over its own pixels.
    pixels = torch.stack([half["0 foreground"] for half in halves])
    means = torch.stack([half["0 contrastive"] for half in halves])
    torch.testing.assert_close(ours["0 contrastive"], (pixels * means).sum() / pixels.sum())


def test_keys_are_encoded_in_the_batches_they_were_dealt_to(settings: params.Pretrain, tmp_path: Path) -> None:
    (ours,) = results([changed(settings, batchnorm="shuffled")], 2, tmp_path, frozen=False)
    key = shared_step.fresh_model(settings, frozen=False).key
    (_, images), (_, masks) = shared_step.drawn_views()
    dealt = [pool_pixels(key(images[i::2])[0], masks[i::2].float()) for i in range(2)]
    expected = torch.stack(dealt, dim=1).flatten(0, 1)
    torch.testing.assert_close(ours["0 queue"][: len(expected)], expected)
