"""The one exception that means: the input is wrong, and here is what to do about it; a full disk becomes one too."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = {code: os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT)}


class InputError(ValueError):
    """Bad input. Its message is one sentence: what was wrong, the value, the file or image id, the remedy."""


class FullDisk(InputError):
    """A disk, or the quota of a user on it, that has no room for what is to be written."""


@contextmanager
def full_disk_told(path: Path, written: Path | None = None) -> Iterator[None]:
    """Raise FullDisk where the block finds the disk of `path`, or a quota on it, full; other errors pass as they are.

    `path` is the file or folder that the message names; `written` is where the block writes, if not there.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = full(error)
        if reason is None:
            raise
        where = path if path.is_dir() else next(folder for folder in path.absolute().parents if folder.is_dir())
        file = written or path
        done = f", {_megabytes(file.stat().st_size)} of it were written" if file.is_file() else ""
        free = _megabytes(shutil.disk_usage(where).free)
        wanting = f"no room {'in' if path.is_dir() else 'for'} {path}"
        raise FullDisk(
            f"{wanting} ({reason}{done}, {free} are free on its disk); make more, then run it again"
        ) from None


def full(error: BaseException | None) -> str | None:
    """What the system says where an error, or one behind it, comes of a full disk."""
    # HDF5 puts the system's error into its text, and PyTorch raises one of its own on top of the file's.
    while error is not None:
        for code, reason in FULL.items():
            if (isinstance(error, OSError) and error.errno == code) or reason in str(error):
                return reason
        error = error.__cause__ or error.__context__
    return None


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
