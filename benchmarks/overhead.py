"""Seconds of a `dvc repro` that has nothing to do, in a prepared clone; the reference is importing PyTorch."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from dvc.repo import Repo

ROOT = Path(__file__).parents[1]


def run() -> dict[str, object]:
    """Time no-op runs in a clone whose stages are recorded as done, with stand-in outputs."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(Path(folder))
        repro = [str(Path(sys.executable).with_name("dvc")), "repro"]
        imports = [sys.executable, "-c", "import torch"]
        rounds = [(seconds(repro, prepared), seconds(imports, prepared)) for _ in range(3)]
    ours, reference = (statistics.median(samples) for samples in zip(*rounds, strict=True))
    return {"ratio": reference / ours, "ours": ours, "reference": reference, "unit": "s", "seconds": ours}


def prepare(folder: Path) -> Path:
    """A clone in which every output exists and is committed to DVC, without running a stage."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    dvc = str(Path(sys.executable).with_name("dvc"))
    with Repo(str(folder)) as repo:
        for item in [*repo.index.outs, *repo.index.deps]:
            make_stand_in(folder / item.def_path)
    subprocess.run([dvc, "commit", "--quiet", "--force"], cwd=folder, check=True)
    return folder


def make_stand_in(path: Path) -> None:
    """A small file, or a folder with one, where an output or an input belongs and nothing is yet."""
    if path.exists():
        return
    # A fraction in a folder's name (0.1-0-start) is no suffix.
    target = path if path.suffix[1:].isalnum() else path / "stand-in"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(str(path.name))


def seconds(command: Sequence[str], folder: Path) -> float:
    """Wall seconds of a command that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start
