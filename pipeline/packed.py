"""The one container of encoded images: bytes in one HDF5 dataset, found by offsets, keyed by sorted image ids.

Layout of a file (schema `maskcontrast/packed`, version 1):

- `bytes`: uint8 [total], the encoded files one after the other; `offsets`: int64 [n + 1];
- `ids`: fixed-length strings [n], ASCII or else UTF-8, strictly ascending; `splits/<name>`: int64 indices, ascending;
- images also `height` and `width`: int32 [n];
- attributes `schema`, `version`, `content` (`images`, `labels` or `maps`) and `metadata` (one JSON object).

Plain h5py reads image i with `f["bytes"][f["offsets"][i]:f["offsets"][i + 1]]`.
"""

import bisect
import itertools
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Int64

from pipeline.errors import InputError, full_disk_told

SCHEMA, VERSION = "maskcontrast/packed", 1
COPY_BYTES = 1 << 24


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place, whole, only when the block ends without an error.

    Raises FullDisk when there is no room.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with full_disk_told(path, temporary):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _bring_to_disk(temporary)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _bring_to_disk(path: Path) -> None:
    """Without it a power cut may leave the new name with nothing behind it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_sorted(ids: list[str], path: Path) -> None:
    """Raise InputError unless `ids` are strictly ascending; the readers' binary search depends on it."""
    for before, after in itertools.pairwise(ids):
        if before >= after:
            problem = "appears twice" if before == after else f"comes after {before}"
            raise InputError(f"{path}: image id {after} {problem}; give every image one id and sort them")


def write_header(file: h5py.File, schema: str, version: int, ids: list[str], metadata: Mapping[str, object]) -> None:
    """Write what all containers share: schema, version, one JSON string of metadata, and the ids."""
    file.attrs["schema"], file.attrs["version"] = schema, version
    file.attrs["metadata"] = json.dumps(metadata, sort_keys=True)
    encoded = [image_id.encode() for image_id in ids]
    charset = "ascii" if all(image_id.isascii() for image_id in ids) else "utf-8"
    file["ids"] = np.array(encoded, dtype=h5py.string_dtype(charset, max(map(len, encoded), default=1)))


def write_packed(
    path: Path,
    entries: Iterable[tuple[str, bytes]],
    content: str,
    splits: Mapping[str, Iterable[str]] | None = None,
    metadata: Mapping[str, object] | None = None,
    columns: Mapping[str, list[int]] | None = None,
) -> int:
    """Write `(id, encoded bytes)` pairs, already in ascending order of id; returns how many there were.

    `columns` are further integers for each image (height, width), stored under their names; they are read once
    the entries are exhausted, so the iterator may fill them as it goes.
    Raises InputError for ids out of order or twice, and for a split that names an unknown id.
    Nothing is left at `path` when it raises.
    """
    with replacing(path) as temporary, tempfile.TemporaryFile(dir=path.parent) as spool:
        ids, offsets = [], [0]
        for image_id, data in entries:
            spool.write(data)
            ids.append(image_id)
            offsets.append(offsets[-1] + len(data))
        require_sorted(ids, path)
        with h5py.File(temporary, "w") as file:
            write_header(file, SCHEMA, VERSION, ids, metadata or {})
            file.attrs["content"] = content
            file["offsets"] = np.array(offsets, dtype=np.int64)
            stored = file.create_dataset("bytes", shape=(offsets[-1],), dtype=np.uint8)
            spool.seek(0)
            for start in range(0, offsets[-1], COPY_BYTES):
                chunk = np.frombuffer(spool.read(COPY_BYTES), dtype=np.uint8)
                stored[start : start + len(chunk)] = chunk
            for name, values in sorted((columns or {}).items()):
                file[name] = np.array(values, dtype=np.int32)
            for name, members in sorted((splits or {}).items()):
                file[f"splits/{name}"] = indices_of(ids, members, path)
    return len(ids)


def indices_of(ids: list[str], members: Iterable[str], path: Path) -> Int64[np.ndarray, " m"]:
    """Ascending indices of `members` in the sorted `ids`; an id that is not there raises InputError."""
    index = {image_id: i for i, image_id in enumerate(ids)}
    missing = sorted(set(members := list(members)) - index.keys())
    if missing:
        raise InputError(f"{path}: image id {missing[0]} is not among its {len(ids)} images; check the split list")
    return np.array(sorted(index[member] for member in members), dtype=np.int64)


class Container:
    """Read access shared by all HDF5 containers; safe to hand to loader processes.

    The file is opened on first use in each process and never pickled, because an HDF5 handle
    that crosses a fork reads garbage.
    """

    schema: str
    version: int

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._file: h5py.File | None = None
        self._handles: dict[str, h5py.Dataset] = {}
        self._owner = -1
        if not self.path.exists():
            raise InputError(f"{path} does not exist; run `dvc repro` or `dvc pull` to make it")
        self._check_header()
        self.ids: list[str] = [image_id.decode() for image_id in self.dataset("ids")[:]]
        self.metadata: dict = json.loads(str(self.file.attrs["metadata"]))

    def _check_header(self) -> None:
        try:
            schema, version = self.file.attrs.get("schema"), self.file.attrs.get("version")
        except OSError as error:
            raise InputError(
                f"{self.path} is no readable HDF5 file ({error}); delete it and run its stage again"
            ) from None
        if schema != self.schema:
            raise InputError(
                f"{self.path} holds {schema!r} but {self.schema!r} is needed; check the stage's input paths"
            )
        if version != self.version:
            raise InputError(
                f"{self.path} has version {version} of its layout but {self.version} is needed; "
                "delete it and run `dvc repro`"
            )

    @property
    def file(self) -> h5py.File:
        """The open file, belonging to this process."""
        if self._file is None or self._owner != os.getpid():
            self._file, self._owner, self._handles = h5py.File(self.path, "r"), os.getpid(), {}
        return self._file

    def dataset(self, name: str) -> h5py.Dataset:
        """A dataset's handle, looked up once a process: a look-up costs as much as reading a small mask."""
        file = self.file
        if name not in self._handles:
            self._handles[name] = file[name]  # type: ignore[assignment]
        return self._handles[name]

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_file": None, "_handles": {}}

    def __len__(self) -> int:
        return len(self.ids)

    def index(self, image_id: str) -> int:
        """Position of an image; InputError when the file does not hold it."""
        position = bisect.bisect_left(self.ids, image_id)
        if position >= len(self.ids) or self.ids[position] != image_id:
            raise InputError(f"{self.path} holds no image {image_id}; rerun the stage that makes it")
        return position

    def require_ids(self, other: "Container") -> None:
        """Raise InputError unless `other` describes exactly the same images."""
        if self.ids != other.ids:
            odd = sorted(set(self.ids) ^ set(other.ids))[:1] or ["(order)"]
            raise InputError(f"{self.path} and {other.path} differ at image {odd[0]}; rerun the stages that made them")


class Packed(Container):
    """A packed file opened for reading: `packed[i]` is the encoded bytes of image i."""

    schema = SCHEMA
    version = VERSION

    def __init__(self, path: Path, content: str) -> None:
        super().__init__(path)
        if self.file.attrs["content"] != content:
            raise InputError(f"{path} holds {self.file.attrs['content']}, not {content}; check the stage's input paths")
        self._offsets: np.ndarray = self.dataset("offsets")[:]

    def __getitem__(self, i: int) -> bytes:
        if not 0 <= i < len(self):
            raise IndexError(i)
        return self.dataset("bytes")[self._offsets[i] : self._offsets[i + 1]].tobytes()

    @cached_property
    def sizes(self) -> Int64[np.ndarray, "n 2"]:
        """Height and width of every image of a packed set of images."""
        return np.stack([self.dataset("height")[:], self.dataset("width")[:]], axis=1).astype(np.int64)

    @property
    def split_names(self) -> list[str]:
        """Names of the recorded splits, sorted."""
        return sorted(self.file["splits"]) if "splits" in self.file else []  # type: ignore[arg-type]

    def split(self, name: str) -> Int64[np.ndarray, " m"]:
        """Indices of a split; InputError for an unknown name. `all` is every image."""
        if name == "all":
            return np.arange(len(self), dtype=np.int64)
        if name not in self.split_names:
            raise InputError(
                f"{self.path} has no split {name!r}; it has {', '.join(self.split_names) or 'none'} and 'all'"
            )
        return self.dataset(f"splits/{name}")[:]
