"""Stages that are killed for good, several times, end with the bytes of a run that nothing disturbed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pipeline import params, profile
from pipeline.mask_store import write_masks
from pipeline.masks.basnet import BasNet
from pipeline.masks.basnet_file import save_basnet
from pipeline.networks.backbone import save_backbone
from pipeline.networks.starting_weights import starting_backbone
from pipeline.runtime import run_stage
from tests.conftest import disc

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SHORTER = """
refine_pseudolabels: {epochs: 3, learning_rates: [0.003, 0.006]}
fuse_pseudolabels: {epochs: 3}
train_basnet: {epochs: 3}
predict_saliency: {batch: 2}
pretrain: {split: all, batch: 4, epochs: 3, encoder: {dropout: 0.1}}
"""
MOST_KILLS = 4


class Run(NamedTuple):
    """A stage with its arguments, paths relative to the folder it runs in; what it writes stands in `out`."""

    stage: str
    arguments: tuple[str, ...]

    def __call__(self, folder: Path) -> None:
        """Run in this process, as the command line would."""
        os.chdir(folder)
        os.environ |= {"MASKCONTRAST_CHECKPOINT_SECONDS": "0", "OMP_NUM_THREADS": "1", "MASKCONTRAST_DEVICE": "cpu"}
        sys.argv = [self.stage, *self.arguments]
        stage = __import__(f"stages.{self.stage}", fromlist=["main"])
        run_stage(stage.main)


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
    Run("pretrain", ("images.h5", "masks.h5", "start.pt", "out/maskcontrast.pt", "out/results")),
]
PREDICT = Run("predict_saliency", ("basnet.pt", "images.h5", "unseen.h5", "out/target.h5", "out/benchmark.h5"))


@pytest.fixture
def folder(tmp_path: Path, disc_images: Path, disc_maps: Path) -> Path:
    """A folder with the inputs of all these stages and the parameters of a very short run."""
    folder = tmp_path / "folder"
    (folder / "maps").mkdir(parents=True)
    shutil.copy(ROOT / "profiles" / "sample.yaml", folder / "params.yaml")
    (tmp_path / "shorter.yaml").write_text(SHORTER)
    for overlay in (ROOT / "tests" / "tiny.yaml", tmp_path / "shorter.yaml"):
        profile.apply(overlay, folder / "params.yaml")
    for images in ("images.h5", "unseen.h5"):
        shutil.copy(disc_images, folder / images)
    for prior in ("rbd", "mc"):
        shutil.copy(disc_maps, folder / "maps" / f"{prior}.h5")
    ids, sizes = [f"img_{i:02d}" for i in range(12)], np.array([[40, 48]] * 12)
    write_masks(folder / "masks.h5", ids, sizes, map(disc, range(12)))
    save_backbone(folder / "start.pt", starting_backbone("test_byobnet", "random", "", 0))
    settings = params.load(folder / "params.yaml").train_basnet.model_copy(update={"width": 4})
    save_basnet(folder / "basnet.pt", BasNet(4), settings)
    return folder


def written(folder: Path) -> dict[str, bytes]:
    """Every file in `out` with its bytes."""
    out = folder / "out"
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def start(run: Callable[[Path], None], folder: Path):
    """Start a run in a process of its own, forked from a server that has imported the stages."""
    context = get_context("forkserver")
    context.set_forkserver_preload([f"stages.{each.stage}" for each in (*RUNS, PREDICT)])
    process = context.Process(target=run, args=(folder,))
    process.start()
    return process


def saves(folder: Path) -> set[tuple[str, int]]:
    """What has been kept for a resumption, with its inode, which is another after each save."""
    found = set()
    with suppress(FileNotFoundError):  # the run may be removing its area
        for path in (folder / ".scratch").rglob("*"):
            if path.name == "checkpoint.pt" or path.suffix == ".h5":
                found.add((str(path), path.stat().st_ino))
    return found


def run_killed(run: Callable[[Path], None], folder: Path, rng: np.random.Generator) -> int:
    """Kill the run some saves after its start, at no particular moment, and start it again; how often it was killed."""
    for kills in range(MOST_KILLS + 1):
        process, before = start(run, folder), saves(folder)
        wanted = int(rng.integers(1, 4)) if kills < MOST_KILLS else sys.maxsize
        while process.is_alive() and wanted:
            time.sleep(0.002)
            if saves(folder) != before:
                before, wanted = saves(folder), wanted - 1
        time.sleep(rng.uniform(0, 0.03))
        if process.is_alive() and process.pid:
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        if process.exitcode == 0:
            return kills
        assert process.exitcode == -signal.SIGKILL
    raise AssertionError("it was not to be killed any more")


@pytest.mark.parametrize("run", [*RUNS, PREDICT], ids=lambda run: run.stage)
def test_a_killed_stage_ends_with_the_same_bytes(run: Run, folder: Path, tmp_path: Path) -> None:
    undisturbed = shutil.copytree(folder, tmp_path / "undisturbed")
    process = start(run, undisturbed)
    process.join()
    assert process.exitcode == 0
    assert run_killed(run, folder, np.random.default_rng(0)) > 1
    assert written(folder).keys() == written(undisturbed).keys()
    assert written(folder) == written(undisturbed)
    assert [path.name for path in (folder / ".scratch").rglob("*") if path.is_file()] == ["lock"]


def test_two_processes_predict_the_same_bytes_as_one(folder: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(folder, tmp_path / "alone")
    for place, count in ((alone, "1"), (folder, "2")):
        done = command(PREDICT, place, count)
        assert done.returncode == 0, done.stderr
    assert written(folder) == written(alone)


def test_bad_input_of_one_of_two_processes_is_one_sentence(folder: Path) -> None:
    (folder / "basnet.pt").write_bytes(b"")
    done = command(PREDICT, folder, "2")
    assert done.returncode == 1
    assert "error: basnet.pt is damaged" in done.stderr
    assert not (folder / "out").exists()


def command(run: Run, folder: Path, count: str) -> subprocess.CompletedProcess[str]:
    """Run a stage from the command line in `count` processes."""
    settings = {"MASKCONTRAST_PROCESSES": count, "MASKCONTRAST_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", f"stages.{run.stage}", *run.arguments]
    environment = os.environ | settings | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True)
