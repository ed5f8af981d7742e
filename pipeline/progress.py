"""Progress bars with rates."""

import os
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(items: Iterable[T], description: str, total: int | None = None, unit: str = "image") -> Iterator[T]:
    """Yield `items` behind a progress bar on standard error; it refreshes once a second and stays when done.

    Of several processes only the first shows one.
    """
    hidden = os.environ.get("RANK", "0") != "0"
    bar = tqdm(items, desc=description, total=total, unit=unit, mininterval=1.0, dynamic_ncols=True, disable=hidden)
    return iter(bar)


def track_bytes(blocks: Iterable[bytes], description: str, total: int | None, done: int = 0) -> Iterator[bytes]:
    """Yield `blocks` behind a progress bar in bytes, of which `done` were there before; `total` may be unknown."""
    with tqdm(desc=description, total=total, initial=done, unit="B", unit_scale=True, mininterval=1.0) as bar:
        for block in blocks:
            yield block
            bar.update(len(block))


class Speed:
    """Items per second. It depends on the machine, so it is for the log and never for a result."""

    def __init__(self) -> None:
        self._items, self._since = 0, time.monotonic()

    def count(self, items: int) -> None:
        """Add items that are done."""
        self._items += items

    def restart(self) -> float:
        """Items per second since the start, or since this was called last."""
        items, since = self._items, self._since
        self.__init__()
        return items / max(time.monotonic() - since, 1e-9)
