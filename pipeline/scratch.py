"""The resume area of a stage: what survives an interruption, and arrays that may be larger than memory.

It lies in `.scratch/<name>/<fingerprint>`, outside git and DVC. The fingerprint is a hash of all that decides the
result, so that whatever is found there belongs to this very run; an area is removed once its stage has ended well.
"""

import errno
import fcntl
import hashlib
import math
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.launch import rank, wait_for_all

HOME = Path(".scratch")


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

    Areas of other runs of that stage are removed at the start, this one when the block ends without an error.
    Raises InputError when another process is at work on the stage; one that has died does not count.
    """
    home = HOME / name
    folder = home / fingerprint(files, *decisive)
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home / "lock"):
        if rank() == 0:
            for other in set(home.iterdir()) - {folder, home / "lock"}:
                shutil.rmtree(other)
            folder.mkdir(exist_ok=True)
        wait_for_all()
        yield Scratch(folder)
        wait_for_all()
        if rank() == 0:
            shutil.rmtree(folder)


def fingerprint(files: Iterable[Path], *decisive: object) -> str:
    """A hash of the contents of `files`, of the values `decisive`, of all project code imported, and of PyTorch's
    version; a file that does not exist is left for its reader to complain about.
    """
    ours = (module for name, module in sys.modules.items() if name.split(".")[0] in ("pipeline", "stages", "__main__"))
    code = sorted(Path(file) for module in ours if (file := getattr(module, "__file__", None)))
    digest = hashlib.sha256(repr((torch.__version__, decisive)).encode())
    for path in [*files, *code]:
        if path.exists():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the stage's lock, one process for all ranks; the system takes it from a process that dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        if rank() == 0:
            _lock(descriptor, path.parent)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, home: Path) -> None:
    try:
        # Unlike flock's, this lock is not handed down to loader processes, which outlive a killed parent by seconds.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        raise InputError(f"{home} is in use by another process that runs this stage; wait until it ends") from None


def _reserve(path: Path, size: int) -> None:
    """Take `size` bytes of the disk for a file, new or not."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        if sys.platform == "linux":
            os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        raise InputError(
            f"{path.parent} has no room for {size / 1e9:.1f} GB ({error.strerror}); make some, or link {HOME} elsewhere"
        ) from None
    finally:
        os.close(descriptor)
