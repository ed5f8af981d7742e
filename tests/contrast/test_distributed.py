"""Several processes do together what one does alone."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline import params
from tests.contrast import shared_step
from tests.training import ranks

pytestmark = pytest.mark.slow


CHOICES = (
    {"class_balance": True, "saliency_balance": True, "batchnorm": "shuffled"},
    {"class_balance": False, "saliency_balance": False, "batchnorm": "synchronised"},
)


def results(settings: list[params.Pretrain], processes: int, tmp_path: Path) -> list[dict[str, Tensor]]:
    files, out = [str(tmp_path / f"{i}.json") for i in range(len(settings))], tmp_path / f"{processes}.pt"
    for file, each in zip(files, settings, strict=True):
        Path(file).write_text(each.model_dump_json())
    if processes == 1:
        shared_step.main(files, str(out))
    else:
        ranks.run(shared_step.main, processes, tmp_path / f"{processes}.meeting", files, str(out))
    return torch.load(out, weights_only=True)


def test_losses_gradients_and_queue_do_not_depend_on_the_number_of_processes(
    settings: params.Pretrain, tmp_path: Path
) -> None:
    steady = settings.encoder.model_copy(update={"dropout": 0.0})
    common = {"queue": 12, "momentum": 0.5, "encoder": steady}
    chosen = [settings.model_copy(update=common | choice) for choice in CHOICES]
    alone = results(chosen, 1, tmp_path)
    for processes in (2, 4):
        for ours, expected in zip(results(chosen, processes, tmp_path), alone, strict=True):
            assert ours.keys() == expected.keys()
            for name, value in expected.items():
                error = (ours[name] - value).double().norm() / value.double().norm().clamp_min(1e-3)
                assert error <= 1e-5, (processes, name)
