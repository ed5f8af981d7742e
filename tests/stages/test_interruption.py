"""Stages that are killed for good, several times, end with the bytes of a run that nothing disturbed."""

import itertools
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pipeline import profile
from tests.stages.tiny_runs import PREDICT, PRETRAIN, PROBE, RUNS, Run, saves, start, written

pytestmark = pytest.mark.slow


def killed(run: Callable[[Path], None], folder: Path, rng: np.random.Generator, most: int = 3) -> bool:
    """Start the run and kill it 1 to `most` saves later, at no particular moment; False when it ended before."""
    process, before, wanted = start(run, folder), saves(folder), int(rng.integers(1, most + 1))
    while process.is_alive() and wanted:
        time.sleep(0.002)
        if saves(folder) != before:
            before, wanted = saves(folder), wanted - 1
    time.sleep(rng.uniform(0, 0.03))
    if process.is_alive() and process.pid:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def start_and_wait(run: Callable[[Path], None], folder: Path) -> int | None:
    """The exit status, negative that of a signal."""
    process = start(run, folder)
    process.join()
    return process.exitcode


def finish(run: Run, folder: Path) -> dict[str, bytes]:
    """What the run has written at its end."""
    assert start_and_wait(run, folder) == 0
    assert len(list((folder / ".scratch").rglob("finished"))) == 1
    return written(folder)


@pytest.mark.parametrize("run", [*RUNS, PREDICT, PROBE], ids=lambda run: run.stage)
def test_a_killed_stage_ends_with_the_same_bytes(run: Run, folder: Path, tmp_path: Path) -> None:
    undisturbed, rng = shutil.copytree(folder, tmp_path / "undisturbed"), np.random.default_rng(0)
    expected = finish(run, undisturbed)
    kills = sum(itertools.takewhile(bool, (killed(run, folder, rng) for _ in range(4))))
    assert kills > 1
    assert finish(run, folder) == expected
    # Had DVC died before it noted the end, the next run would find everything done.
    kept = saves(folder)
    shutil.rmtree(folder / "out")
    assert finish(run, folder) == expected
    assert saves(folder) == kept


class KilledWriting(NamedTuple):
    """A run that is killed when the n-th new version of a file is written, but has not yet replaced the old one."""

    run: Run
    name: str
    nth: int

    def __call__(self, folder: Path) -> None:
        """Run until then in this process."""
        replace, left = os.replace, self.nth

        def killing(source: Path, target: Path) -> None:
            nonlocal left
            left -= Path(target).name == self.name
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)

        os.replace = killing
        self.run(folder)


def test_pretraining_killed_ten_times_ends_with_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "longer.yaml").write_text("pretrain: {epochs: 8}\n")
    profile.apply(tmp_path / "longer.yaml", folder / "params.yaml")
    undisturbed, rng = shutil.copytree(folder, tmp_path / "undisturbed"), np.random.default_rng(0)
    moments = [KilledWriting(PRETRAIN, *what) for what in (("checkpoint.pt", 1), ("checkpoint.pt", 2))]
    moments += [KilledWriting(PRETRAIN, "maskcontrast.pt", 1)] * 2
    expected = finish(PRETRAIN, undisturbed)
    for moment in moments[:2]:
        assert start_and_wait(moment, folder) == -signal.SIGKILL
    for _ in range(6):
        assert killed(PRETRAIN, folder, rng)
    for moment in moments[2:]:
        assert start_and_wait(moment, folder) == -signal.SIGKILL
    assert finish(PRETRAIN, folder) == expected
