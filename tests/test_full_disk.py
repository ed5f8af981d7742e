"""Disks that fill up while a stage writes: one sentence, nothing half-written, and on it goes when there is room."""

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import FullDisk, full_disk_told
from tests.clones import ROOT, environment
from tests.forks import forked, telling

pytestmark = pytest.mark.slow

WRITERS = """
import sys
import warnings
from pathlib import Path
import numpy as np
from pipeline.runtime import run_stage

rng, out = np.random.default_rng(0), Path(sys.argv[1])
noise = rng.random((200, 60, 60)) < 0.5
ids, sizes = [f"{i:03d}" for i in range(200)], np.full((200, 2), 60)

def packed(path: Path) -> None:
    from pipeline.packed import write_packed
    write_packed(path, [(name, rng.bytes(500)) for name in ids], "maps")

def masks(path: Path) -> None:
    from pipeline.mask_store import write_masks
    write_masks(path, ids, sizes, noise)

def embeddings(path: Path) -> None:
    from pipeline.embedding_store import write_embeddings
    maps, table = rng.integers(0, 255, (200, 10, 10), dtype=np.uint8), rng.random((200, 64), dtype=np.float32)
    write_embeddings(path, ids, maps, {"one": table, "other": table}, 10, {"threshold": 0.5})

def network(path: Path) -> None:
    import torch
    from pipeline.networks.weights import save_network
    save_network(path, "noise", {}, {"weight": torch.zeros(30_000)})

def results(path: Path) -> None:
    from pipeline.history import write_results
    write_results(path.parent, {"noise": "x" * 100_000})

def table(path: Path) -> None:
    import pandas as pd
    pd.DataFrame({"noise": rng.random(10_000)}).to_csv(path)

run_stage(globals()[sys.argv.pop()])
"""
NEEDED = ["pipeline.runtime", "pipeline.embedding_store", "pipeline.mask_store", "pipeline.networks.weights", "pandas"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB, where the user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small disk can be mounted here: {getattr(error, 'stderr', b'') or error!r}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def make_room(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)


def write(path: Path, writer: str) -> tuple[int | None, str]:
    """The exit status of a writer, and what it said."""
    said = path.parent.with_suffix(".said")
    process = forked(NEEDED, telling, said, run_writer, path, writer)
    process.join()
    return process.exitcode, said.read_text()


def run_writer(path: Path, writer: str) -> None:
    """Run a writer in this process, as from the command line in the root of this repository."""
    os.chdir(ROOT)
    sys.argv = ["-c", str(path), writer]
    warnings.simplefilter("default")
    exec(WRITERS, {"__name__": "__main__"})


@pytest.mark.parametrize(
    ("writer", "named"),
    [
        ("packed", "for {disk}/out"),
        ("masks", "for {disk}/out"),
        ("embeddings", "for {disk}/out"),
        ("network", "for {disk}/out"),
        ("results", "for {disk}/summary.json"),
        ("table", "in {root}"),
    ],
)
def test_a_stage_on_a_full_disk_says_so_in_one_sentence_and_ends_well_with_more_room(
    small_disk: Path, writer: str, named: str
) -> None:
    status, said = write(small_disk / "out", writer)
    named = re.escape(named.format(disk=small_disk, root=ROOT))
    facts = r"\(No space left on device,( \d\.\d MB of it were written,)? [\d.]+ MB are free on its disk\)"
    assert re.fullmatch(f"error: no room {named} {facts}; make more, then run it again\n", said), said
    assert status == 1
    assert list(small_disk.iterdir()) == ([small_disk / "out"] if writer == "table" else [])
    make_room(small_disk)
    assert write(small_disk / "out", writer)[0] == 0
    assert len(list(small_disk.iterdir())) == 1


GRAPH = """
stages:
  masks:
    cmd: {python} {script} out masks
    outs: [out]
"""


def test_a_graph_on_a_full_disk_stops_in_one_sentence_and_finishes_with_more_room(
    small_disk: Path, tmp_path: Path
) -> None:
    (tmp_path / "writers.py").write_text(WRITERS)
    (small_disk / "dvc.yaml").write_text(GRAPH.format(python=sys.executable, script=tmp_path / "writers.py"))
    variables = environment() | {"PYTHONPATH": str(ROOT)}

    def dvc(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["dvc", *map(str, arguments)], cwd=small_disk, env=variables, capture_output=True, text=True
        )

    dvc("init", "--no-scm", "--quiet")
    dvc("config", "cache.dir", tmp_path / "cache")
    stopped = dvc("repro")
    assert stopped.returncode != 0
    assert "error: no room for out (No space left on device" in stopped.stderr
    assert "Traceback" not in stopped.stderr and "failed to reproduce 'masks'" in stopped.stderr
    assert not list(small_disk.glob("out*"))
    make_room(small_disk)
    assert dvc("repro").returncode == 0
    assert (small_disk / "out").stat().st_size > 64_000


def test_only_a_full_disk_or_quota_counts(tmp_path: Path) -> None:
    for error in (OSError(5, "Input/output error"), RuntimeError("no"), FileNotFoundError(2, "No such file")):
        with pytest.raises(type(error), match=re.escape(str(error))), full_disk_told(tmp_path):
            raise error
    for error in (OSError(122, os.strerror(122)), RuntimeError("errno = 28, 'No space left on device'")):
        with pytest.raises(FullDisk, match=f"^no room in {re.escape(str(tmp_path))} "), full_disk_told(tmp_path):
            raise error
