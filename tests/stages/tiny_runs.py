"""Stages in a folder of their own, with tiny inputs: how to start them, and what they leave."""

import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.launch import run_shared_stage
from tests.forks import forked, telling

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {"MASKCONTRAST_CHECKPOINT_SECONDS": "0", "MASKCONTRAST_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}


class Run(NamedTuple):
    """A stage with its arguments, paths relative to the folder it runs in; what it writes stands in `out`."""

    stage: str
    arguments: tuple[str, ...]

    def __call__(self, folder: Path) -> None:
        """Run in this process, as the command line would."""
        os.chdir(folder)
        os.environ |= ENVIRONMENT
        sys.argv = [self.stage, *self.arguments]
        stage = __import__(f"stages.{self.stage}", fromlist=["main"])
        run_shared_stage(stage.main)


RUNS = [
    Run(
        "refine_pseudolabels",
        ("rbd", "images.h5", "unseen.h5", "maps/rbd.h5", "start.pt", "out/maps.h5", "out/unseen.h5", "out/results"),
    ),
    Run(
        "fuse_pseudolabels",
        ("images.h5", "unseen.h5", "maps", "start.pt", "out/fused.h5", "out/benchmark.h5", "out/results"),
    ),
    Run("train_basnet", ("images.h5", "maps/rbd.h5", "start.pt", "out/basnet.pt", "out/results")),
]
PRETRAIN = Run("pretrain", ("images.h5", "masks.h5", "start.pt", "out/maskcontrast.pt", "out/results"))
EMBED = Run("embed", ("images.h5", "start.pt", "encoder.pt", "out/target.h5"))
PROBE = Run("probe_linear", ("images.h5", "labels.h5", "start.pt", "encoder.pt", "out/results"))
PREDICT = Run("predict_saliency", ("basnet.pt", "images.h5", "unseen.h5", "out/target.h5", "out/benchmark.h5"))


def written(folder: Path) -> dict[str, bytes]:
    """Every file in `out` with its bytes."""
    out = folder / "out"
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def start(run: Callable[[Path], None], folder: Path):
    """Start a run in a process of its own, forked from a server that has imported the stages."""
    return forked([f"stages.{each.stage}" for each in (*RUNS, PREDICT, PRETRAIN, EMBED, PROBE)], run, folder)


def saves(folder: Path) -> set[tuple[str, int]]:
    """What has been kept for a resumption, with its inode, which is another after each save."""
    found = set()
    with suppress(FileNotFoundError):  # the run may be removing its area
        for path in (folder / ".scratch").rglob("*"):
            if path.name == "checkpoint.pt" or path.suffix == ".h5":
                found.add((str(path), path.stat().st_ino))
    return found


class Rank(NamedTuple):
    """One of several processes that run a stage together and meet at a port of this machine."""

    run: Run
    rank: int
    processes: int
    port: int

    def __call__(self, folder: Path) -> None:
        """Run in this process."""
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self.port)}
        os.environ |= {"RANK": str(self.rank), "WORLD_SIZE": str(self.processes), **meeting}
        self.run(folder)


class Launch(NamedTuple):
    """A stage that is to run in several processes, each of which is a Python of its own."""

    run: Run
    processes: int

    def __call__(self, folder: Path) -> None:
        """Start them from this process, as the command line would, and wait for their end."""
        os.environ |= {"MASKCONTRAST_PROCESSES": str(self.processes), "PYTHONPATH": str(ROOT)}
        telling(folder / "said.txt", self.run, folder)


def free_port() -> int:
    """A port of this machine where processes can meet."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
