"""A file over HTTP: resumed where it broke off, from the first address that has it whole, checked before it counts."""

import fcntl
import hashlib
import os
import tarfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from pipeline.errors import InputError
from pipeline.packed import replacing
from pipeline.progress import track_bytes

BLOCK = 1 << 20
# Some hosts of data sets refuse the name that Python gives by itself.
AGENT = "maskcontrast-download/1.0"


@dataclass(frozen=True)
class Patience:
    """When to give an address up: seconds without a byte, tries in a row without progress, seconds between tries."""

    timeout: float
    tries: int
    pause: float


class _Failed(Exception):
    """An address does not give the file; the message says why."""


def fetch(urls: Sequence[str], path: Path, checksum: str, patience: Patience) -> None:
    """Fetch `path` from the first of `urls` that gives it.

    What came of it waits in `path` with `.part` behind, for the next address or the next call. A file that is whole and
    not what `checksum` says (as for `wrong_with`) is removed. InputError with the reason of every address when none
    gives the file, and when another process is fetching it.
    """
    part = path.with_name(f"{path.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    # Unlike an output of a stage, this file is there to be added to.
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as file, locked(descriptor, path):
        for url in urls:
            try:
                _receive(url, file, path.name, patience)
                file.flush()
                if wrong := wrong_with(part, checksum):
                    file.truncate(0)
                    raise _Failed(wrong)
            except _Failed as failure:
                reasons.append(f"{url} {failure}")
            else:
                part.rename(path)
                return
        if not os.fstat(descriptor).st_size:
            part.unlink()
    raise InputError(f"{path.name} could not be fetched: {'; '.join(reasons)}; name a --mirror, or put it at {path}")


@contextmanager
def locked(descriptor: int, path: Path) -> Iterator[None]:
    """Hold an open file for this process alone; InputError, about `path`, when another has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"another process is at work on {path}; wait until it ends") from None
    yield


def _receive(url: str, file: IO[bytes], name: str, patience: Patience) -> None:
    """Add to `file` until it is whole; `_Failed` when the address has no such file, or brings no more of it."""
    failures, reason = 0, ""
    while failures < patience.tries:
        before = file.seek(0, os.SEEK_END)
        try:
            _receive_rest(url, file, before, name, patience.timeout)
            return
        except HTTPError as error:
            reason = f"answers {error.code} {error.reason}"
            error.close()
            if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{before}":
                return  # it was whole already
            if error.code == 416:
                file.truncate(0)
            elif error.code < 500:
                raise _Failed(reason) from None
        except (OSError, HTTPException, ValueError) as error:
            reason = f"failed ({getattr(error, 'reason', None) or error or type(error).__name__})"
        failures = 0 if file.seek(0, os.SEEK_END) > before else failures + 1
        if failures < patience.tries:
            time.sleep(patience.pause)
    raise _Failed(reason)


def _receive_rest(url: str, file: IO[bytes], done: int, name: str, timeout: float) -> None:
    headers = {"User-Agent": AGENT} | ({"Range": f"bytes={done}-"} if done else {})
    with urlopen(Request(url, headers=headers), timeout=timeout) as response:
        if not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
            # A host that sends the whole all the same, or what was not asked for.
            done = file.seek(0)
            file.truncate()
            if response.status == 206:
                raise ConnectionError("another part than asked for")
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        blocks = iter(lambda: response.read1(BLOCK), b"")
        for block in track_bytes(blocks, name, total, done):
            file.write(block)
    if total is not None and file.tell() < total:
        raise ConnectionError(f"it ended after {file.tell()} of {total} bytes")


def wrong_with(path: Path, checksum: str) -> str:
    """What tells that a file is not the one: its checksum (`md5:...`, `sha256:...`), or without one, its kind."""
    if not checksum:
        archive = zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
        return "" if archive else "is no zip or tar archive"
    kind, _, expected = checksum.partition(":")
    found = digest(path, kind)
    return "" if found == expected else f"has the {kind} {found} instead of {expected}"


def digest(path: Path, kind: str) -> str:
    """The md5 or sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def recorded(path: Path) -> str:
    """The checksum noted beside a file when it was first there; empty when there is no note."""
    note = _note(path)
    return f"sha256:{note.read_text().split()[0]}" if note.exists() else ""


def record(path: Path) -> None:
    """Note the sha256 of a file beside it, as `sha256sum --check` reads it."""
    with replacing(_note(path)) as temporary:
        temporary.write_text(f"{digest(path, 'sha256')}  {path.name}\n")


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
