"""A lock that a process holds while it works, and that the system takes from it when it dies."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import InputError


@contextmanager
def held(lock: Path, refusal: Callable[[str], str]) -> Iterator[None]:
    """Hold the file `lock`, made where it is missing; it keeps the number of the process that held it last.

    Raises InputError when another process holds it; `refusal` makes the message from that number.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT)
    try:
        if not _taken(descriptor):
            raise InputError(refusal(os.read(descriptor, 20).decode() or "on another machine"))
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        # Unlike flock's, this lock is not handed down to pools and loaders, which outlive a killed parent by seconds.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        return False
    return True
