"""Packed files that are computed batch by batch: by several processes, and on from where an interruption left them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.launch import processes, rank, wait_for_all
from pipeline.packed import Packed, write_packed
from pipeline.progress import track
from pipeline.scratch import Scratch


def compute_parts(
    name: str, count: int, batch: int, write: Callable[[Path, range], object], scratch: Scratch
) -> list[Path]:
    """Have `write` make a file in `scratch` of every batch of the indices below `count`; their paths, in order.

    Batches are dealt out whole, so that their files are the same however many processes share them. What is there
    already is not computed again, so `write` has to leave a whole file or none. All are there when this returns.
    """
    batches = [range(start, min(start + batch, count)) for start in range(0, count, batch)]
    parts = {scratch.path(f"{chosen.start:09d}.h5"): chosen for chosen in batches}
    missing = [part for part in parts if not part.exists()]
    wait_for_all()  # until all have looked, none may write
    for part in track(missing[rank() :: processes()], name, unit="batch"):
        write(part, parts[part])
    wait_for_all()
    return list(parts)


def write_in_parts(
    path: Path,
    count: int,
    batch: int,
    compute: Callable[[range], Iterable[tuple[str, bytes]]],
    content: str,
    scratch: Scratch,
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Write a packed file of `count` entries, `batch` indices after the other given to `compute`.

    Each batch becomes a small packed file, as `compute_parts` says. The first process puts them together.
    """

    def write(part: Path, chosen: range) -> None:
        write_packed(part, compute(chosen), content)

    parts = compute_parts(path.name, count, batch, write, scratch)
    if rank() == 0:
        write_packed(path, _entries(parts, content), content, metadata=metadata)


def _entries(parts: Sequence[Path], content: str) -> Iterator[tuple[str, bytes]]:
    for part in parts:
        packed = Packed(part, content)
        yield from zip(packed.ids, (packed[i] for i in range(len(packed))), strict=True)
