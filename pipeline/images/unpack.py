"""Parts of an archive into folders, each of which appears whole or not at all."""

import gzip
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Protocol, runtime_checkable

from pipeline.errors import InputError
from pipeline.images.downloads import Part
from pipeline.images.fetch import locked
from pipeline.packed import replacing
from pipeline.progress import track

DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


@runtime_checkable
class Stream(Protocol):
    """The contents of a member, to be read once."""

    def read(self, size: int = ..., /) -> bytes:
        """The next bytes."""
        ...


Member = tuple[str, Stream]


class DamagedArchive(InputError):
    """An archive that cannot be read to its end, or is another than it should be."""


def unpack(path: Path, parts: Sequence[Part], raw: Path) -> int:
    """Put parts of an archive where they belong below `raw`; returns how many files there were.

    DamagedArchive for one cut short, for a member that leads out of the archive's folder or is a link where a file
    should be, for two members of one name, and when a part is empty. Nothing of it is left then.
    """
    counts: Counter[Part] = Counter()
    with ExitStack() as stack:
        stack.enter_context(_alone(path))
        waiting = {part: stack.enter_context(_waiting(raw / part.to, part.is_folder)) for part in parts}
        try:
            for name, stream in track(_members(path, parts), f"unpacking {path.name}", unit="file"):
                _require_inside(name, path)
                for part in parts:
                    if part.holds(name):
                        counts[part] += 1
                        _write(stream, waiting[part] / name.rpartition("/")[2] if part.is_folder else waiting[part])
        except DAMAGED as error:
            raise DamagedArchive(f"{path} is damaged ({error or type(error).__name__})") from None
        for part in parts:
            if not counts[part]:
                raise DamagedArchive(f"{path} holds no {part.pattern}, so it is another archive than expected")
        for part, place in waiting.items():
            place.rename(raw / part.to)
    return counts.total()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("rb") as file, locked(file.fileno(), path):
        yield


@contextmanager
def _waiting(target: Path, is_folder: bool) -> Iterator[Path]:
    """A hidden place beside `target`, of the same file system; what is still there at the end is removed."""
    place = target.with_name(f".{target.name}.unpacking")
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove(place)  # of a process that was killed
    if is_folder:
        place.mkdir()
    try:
        yield place
    finally:
        _remove(place)


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _write(stream: Stream, target: Path) -> None:
    if target.exists():
        raise DamagedArchive(f"the archive holds two files for {target.name}")
    with replacing(target) as temporary, temporary.open("wb") as out:
        shutil.copyfileobj(stream, out)


def _require_inside(name: str, path: Path) -> None:
    if name.startswith("/") or ".." in PurePosixPath(name.replace("\\", "/")).parts:
        raise DamagedArchive(f"{path} holds {name!r}, which leads out of its folder; do not trust this archive")


def _members(path: Path, parts: Sequence[Part]) -> Iterator[Member]:
    """Names and contents of all members of a zip or tar; those of a zip inside where a part asks for them."""
    if zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield from _zip_members(file, parts, "", path.parent)
    else:
        with tarfile.open(path) as archive:
            yield from _tar_members(archive, parts, path)


def _tar_members(archive: tarfile.TarFile, parts: Sequence[Part], path: Path) -> Iterator[Member]:
    for member in archive:
        stream = archive.extractfile(member) if member.isreg() else None
        if stream is not None:
            yield member.name, stream
        elif any(part.holds(member.name) for part in parts) and not member.isdir():
            raise DamagedArchive(f"{path} holds {member.name} as a link or device; do not trust this archive")


def _zip_members(file: IO[bytes], parts: Sequence[Part], prefix: str, folder: Path) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            name = prefix + info.filename
            if info.is_dir():
                continue
            with archive.open(info) as stream:
                if any(part.pattern.startswith(f"{name}/") for part in parts):
                    yield from _inner_members(stream, parts, f"{name}/", folder)
                else:
                    yield name, stream


def _inner_members(stream: Stream, parts: Sequence[Part], prefix: str, folder: Path) -> Iterator[Member]:
    # A zip is read from its end, which a stream out of another would have to unpack again and again.
    with tempfile.TemporaryFile(dir=folder) as copy:
        shutil.copyfileobj(stream, copy)
        yield from _zip_members(copy, parts, prefix, folder)
