"""A lock that a process holds while it works, and that the system takes from it when it dies."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname

from pipeline.errors import InputError


@contextmanager
def held(lock: Path, refusal: Callable[[str], str]) -> Iterator[None]:
    """Hold the file `lock`, made where it is missing; it tells who held it last.

    Raises InputError when another process holds it; `refusal` makes the message from its number, behind which the
    machine stands where it is another one.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT)
    try:
        if not _taken(descriptor):
            raise InputError(refusal(_holder(os.read(descriptor, 300).decode())))
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()} on {gethostname()}".encode())
        yield
    finally:
        os.close(descriptor)


def _holder(told: str) -> str:
    return told.removesuffix(f" on {gethostname()}") or "(unknown)"  # one that has yet to say


def _taken(descriptor: int) -> bool:
    try:
        # Unlike flock's, this lock is not handed down to pools and loaders, which outlive a killed parent by seconds.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        return False
    return True
