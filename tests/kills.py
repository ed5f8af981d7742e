"""A run of the graph that is killed at given moments, by a user, the system or a power cut, and started again."""

import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

import h5py
import psutil

from pipeline.mend import mend
from tests.clones import changed_for_git, environment

Whom = Literal["stage", "dvc", "all"]
PAUSE = 0.01
NOTING = 0.2  # seconds: DVC takes about so long to hash, keep and lock the outputs of a tiny stage
RUNNING, REFUSED = "Running stage '", " still runs stage "


@dataclass(frozen=True)
class Kill:
    """`whom` dies in a stage, after `share` of the time that it takes, or with `noting` when DVC notes its outputs."""

    stage: str
    whom: Whom
    share: float
    noting: bool


def timed_repro(folder: Path) -> dict[str, float]:
    """Run `dvc repro`; the seconds of every stage, from one "Running stage" to the next."""
    command = ["dvc", "repro"]
    run = subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert run.stdout is not None
    said, began = [], {}
    with run.stdout:
        for line in run.stdout:
            said.append(line)
            if line.startswith(RUNNING):
                began[line.split("'")[1]] = time.monotonic()
    assert run.wait() == 0, "".join(said)[-3000:]
    ended = [*list(began.values())[1:], time.monotonic()]
    return {stage: end - start for (stage, start), end in zip(began.items(), ended, strict=True)}


def draw_kills(stages: Sequence[str], count: int, noting: int, seed: int) -> list[Kill]:
    """`count` kills in as many of the stages, in their order; `noting` of them when the stage itself has ended."""
    random = Random(seed)
    chosen = sorted(random.sample(range(len(stages)), count))
    late = set(random.sample(chosen, noting))
    kinds: dict[bool, list[Whom]] = {False: ["stage", "dvc", "all"], True: ["dvc", "all"]}
    return [Kill(stages[i], random.choice(kinds[i in late]), random.random(), i in late) for i in chosen]


def run_killed(folder: Path, kills: Sequence[Kill], seconds: Mapping[str, float]) -> list[str]:
    """`dvc repro` killed at all of these moments and started again until it is done; what each kill met.

    After each, what lies under the names of outputs is whole, and git is shown no file that it does not know.
    """
    met, orphan = [], None
    for kill in kills:
        run = _reach(folder, kill.stage, orphan)
        met.append(run.strike(kill, seconds[kill.stage]))
        orphan = run.orphan
        _require_whole_files(folder)
        met[-1] += "".join(f", {sentence}" for sentence in mend(folder))
        assert not [line for line in changed_for_git(folder) if line.startswith("??")], kill
    _reach(folder, None, orphan)
    return met


def processes_in(folder: Path) -> list[psutil.Process]:
    """Those that live and work in the folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if Path(process.cwd()).is_relative_to(folder) and _alive(process):
                found.append(process)
    return found


def _reach(folder: Path, stage: str | None, orphan: psutil.Process | None) -> "_Run":
    """A run of DVC that has come to the stage, or to its end without one; it may be refused while an orphan lives."""
    run = _Run(folder)
    while not run.comes_to(stage):
        assert REFUSED in run.said and orphan is not None, run.said
        _await_end(orphan)
        orphan, run = None, _Run(folder)
    return run


class _Run:
    """`dvc repro` at the head of a process group of its own; what it says is in a file beside the clone."""

    def __init__(self, folder: Path) -> None:
        self._log = folder.with_name("repro.log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["dvc", "repro"], cwd=folder, env=environment(), stdout=log, stderr=log, start_new_session=True
            )
        self.orphan: psutil.Process | None = None

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def comes_to(self, stage: str | None) -> bool:
        """Wait until DVC runs the stage, or has ended well if there is none; False when it ends another way."""
        while stage is None or f"{RUNNING}{stage}':" not in self.said:
            if self._process.poll() is not None:
                return stage is None and self._process.returncode == 0
            time.sleep(PAUSE)
        return True

    def strike(self, kill: Kill, seconds: float) -> str:
        """Kill whom it says at its moment; what that met."""
        stage = self._stage()
        if kill.noting:
            _await_end(stage)
        moment = time.monotonic() + kill.share * (NOTING if kill.noting else seconds)
        while time.monotonic() < moment and (kill.noting or _alive(stage)):
            time.sleep(PAUSE)
        within = _alive(stage)
        if kill.whom == "stage" and within:
            stage.kill()
            assert self._process.wait() != 0, self.said
        elif kill.whom == "dvc":
            self._process.kill()
            self.orphan = stage if within else None
        else:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        return f"{kill.whom} {'within' if within else 'after'} {kill.stage}"

    def _stage(self) -> psutil.Process:
        """The process of the stage, which a shell may have started."""
        while True:
            for child in psutil.Process(self._process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    if child.cmdline()[1:2] == ["-m"]:
                        return child
            time.sleep(PAUSE)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _await_end(process: psutil.Process) -> None:
    while _alive(process):
        time.sleep(PAUSE)


def _require_whole_files(folder: Path) -> None:
    for path in (folder / "data").rglob("*.h5"):
        h5py.File(path, "r").close()
    assert all(zipfile.is_zipfile(path) for path in (folder / "models").rglob("*.pt"))
