"""The resume area of a stage: what survives an interruption, and arrays that may be larger than memory.

It lies in `.scratch/<name>/<fingerprint>`, outside git and DVC. The fingerprint is a hash of all that decides the
result, so that whatever is found there belongs to this very run. It stays when the stage has ended well, since DVC may
die before it has noted that; then the next run finds everything done.

`python -m pipeline.scratch prune --days 14` removes what no run has touched for so long.
"""

import argparse
import hashlib
import logging
import math
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.launch import rank, wait_for_all
from pipeline.locks import held
from pipeline.unchanged import SOURCES

FINISHED = "finished"
KEPT_DAYS = 14.0


def home() -> Path:
    """The folder of all areas. DVC runs experiments in copies that it deletes, and names the original project then."""
    return Path(os.environ.get("DVC_ROOT", ".")) / ".scratch"


class Scratch:
    """A folder for unfinished work; without one everything is held in memory and nothing survives."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._named: list[np.memmap] = []

    def inner(self, name: str) -> "Scratch":
        """A part of the area with names of its own."""
        return Scratch(self.folder and self.folder / name)

    def path(self, name: str) -> Path:
        """The place of a file in the area; ValueError without a folder."""
        if self.folder is None:
            raise ValueError(f"there is no folder for {name}")
        return self.folder / name

    def tensor(self, shape: Sequence[int], dtype: torch.dtype, name: str = "") -> Tensor:
        """A tensor on disk, in memory only as far as there is room for it; zero where nothing was written.

        Under a name it holds what an interrupted run wrote; without, it vanishes with the process. Raises InputError
        when the disk is full: later, a write to it would end the process without a word.
        """
        if self.folder is None:
            return torch.zeros(*shape, dtype=dtype)
        self.folder.mkdir(parents=True, exist_ok=True)
        kind = torch.empty(0, dtype=dtype).numpy().dtype
        path = self.folder / f"{name or uuid4().hex}.array"
        _reserve(path, math.prod(shape) * kind.itemsize)
        mapped = np.memmap(path, kind, "r+", shape=tuple(shape))
        if name:
            self._named.append(mapped)
        else:
            path.unlink()  # the mapping lasts as long as the tensor
        return torch.from_numpy(mapped)

    def gather(self, count: int, parts: Iterable[Sequence[Tensor]]) -> list[Tensor]:
        """Tensors of `count` rows from their parts; each of `parts` holds the next rows of all of them."""
        whole, done = [], 0
        for part in parts:
            whole = whole or [self.tensor((count, *rows.shape[1:]), rows.dtype) for rows in part]
            for tensor, rows in zip(whole, part, strict=True):
                tensor[done : done + len(rows)] = rows
            done += len(part[0])
        return whole

    def flush(self) -> None:
        """Bring the named tensors to the disk."""
        for mapped in self._named:
            mapped.flush()


IN_MEMORY = Scratch()


@contextmanager
def scratch_area(name: str, files: Iterable[Path], *decisive: object) -> Iterator[Scratch]:
    """The area of the run of stage `name` that `files`, the values `decisive` and the imported code decide.

    What other runs of the stage have left unfinished stays for `KEPT_DAYS`, so that trying another value loses nothing;
    areas of theirs that are finished make room.
    Raises InputError when another process is at work on the stage in this folder, or on the same run in another one;
    a process that has died does not count.
    """
    folder = home() / name / fingerprint(files, *decisive)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(Path(".scratch") / name), _locked(folder):
        if rank() == 0:
            (folder / FINISHED).unlink(missing_ok=True)
            _make_room(folder.parent)
        wait_for_all()
        yield Scratch(folder)
        wait_for_all()
        if rank() == 0:
            (folder / FINISHED).touch()


def _make_room(stage: Path) -> None:
    for area in _areas(stage):
        if (area / FINISHED).exists():
            _remove(area)
    prune(stage, KEPT_DAYS)


def prune(stage: Path, days: float) -> int:
    """Remove the areas in the folder of a stage that nothing was written to for so many days; returns how many."""
    old = [area for area in _areas(stage) if time.time() - _touched(area) > days * 24 * 3600]
    for area in old:
        _remove(area)
    return len(old)


def _remove(area: Path) -> None:
    # Another experiment that starts the same stage may be removing the same area.
    shutil.rmtree(area, ignore_errors=True)


def _areas(stage: Path) -> list[Path]:
    return sorted(path for path in stage.iterdir() if path.is_dir())


def _touched(area: Path) -> float:
    try:
        return max(path.stat().st_mtime for path in [area, *area.rglob("*")])
    except FileNotFoundError:
        return time.time()  # another process replaces or removes a file at this moment


def fingerprint(files: Iterable[Path], *decisive: object) -> str:
    """A hash of the contents of `files`, of the values `decisive`, of all project code imported, as it was then, and of
    PyTorch's version; a file that does not exist is left for its reader to complain about.
    """
    ours = (module for name, module in sys.modules.items() if name.split(".")[0] in ("pipeline", "stages", "__main__"))
    code = sorted(Path(file) for module in ours if (file := getattr(module, "__file__", None)))
    # An edit since then is not what runs, and must not claim its checkpoints.
    names = {file: os.path.relpath(file, Path(__file__).parents[1]) for file in code}
    imported = [SOURCES.get(name) for name in names.values()]
    digest = hashlib.sha256(repr((torch.__version__, decisive, imported)).encode())
    for path in [*files, *(file for file, name in names.items() if name not in SOURCES)]:
        if path.exists():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _locked(folder: Path) -> AbstractContextManager[None]:
    """Hold the lock of a folder, one process for all ranks."""
    if rank() != 0:
        return nullcontext()
    ends = "which runs this stage; wait until it ends"
    return held(folder / "lock", lambda holder: f"{folder} is in use by process {holder}, {ends}")


def _reserve(path: Path, size: int) -> None:
    """Take `size` bytes of the disk for a file, new or not."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        if sys.platform == "linux":
            os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        raise InputError(
            f"{path.parent} has no room for {size / 1e9:.1f} GB ({error.strerror}); make some, or link "
            f"{home()} elsewhere"
        ) from None
    finally:
        os.close(descriptor)


def main(arguments: list[str]) -> int:
    """Command line: `prune`, and after how many days."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.scratch", description=__doc__)
    parser.add_argument("command", choices=["prune"])
    parser.add_argument("--days", type=float, default=KEPT_DAYS, help=f"{KEPT_DAYS:g} by default")
    days = parser.parse_args(arguments).days
    removed = sum(prune(stage, days) for stage in home().glob("*/"))
    logging.info("removed %d areas of %s", removed, home())
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main(sys.argv[1:]))
