"""Progress bars with rates."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(items: Iterable[T], description: str, total: int | None = None, unit: str = "image") -> Iterator[T]:
    """Yield `items` behind a progress bar on standard error; it refreshes once a second and stays when done."""
    return iter(tqdm(items, desc=description, total=total, unit=unit, mininterval=1.0, dynamic_ncols=True))
