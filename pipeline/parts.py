"""Packed files that are computed batch by batch: by several processes, and on from where an interruption left them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from pipeline.launch import processes, rank, wait_for_all
from pipeline.packed import Packed, write_packed
from pipeline.progress import track
from pipeline.scratch import Scratch


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

    Batches are dealt out whole, so that their entries are the same however many processes share them. Each becomes a
    small packed file in `scratch`; what is there already is not computed again. The first process puts them together.
    """
    batches = [range(start, min(start + batch, count)) for start in range(0, count, batch)]
    parts = {scratch.path(f"{chosen.start:09d}.h5"): chosen for chosen in batches}
    missing = [part for part in parts if not part.exists()]
    wait_for_all()  # until all have looked, none may write
    mine = missing[rank() :: processes()]
    for part in track(mine, path.name, unit="batch"):
        write_packed(part, compute(parts[part]), content)
    wait_for_all()
    if rank() == 0:
        write_packed(path, _entries(parts, content), content, metadata=metadata)


def _entries(parts: Iterable[Path], content: str) -> Iterator[tuple[str, bytes]]:
    for part in parts:
        packed = Packed(part, content)
        yield from zip(packed.ids, (packed[i] for i in range(len(packed))), strict=True)
