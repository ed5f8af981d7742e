"""Runs a function in several processes that form a group, as a stage's processes do."""

from collections.abc import Callable
from pathlib import Path

import torch.distributed as dist

from tests.forks import forked


def run(function: Callable[..., None], processes: int, meeting: Path, *arguments: object) -> None:
    """Call `function(*arguments)` in each of them; they meet by the new file `meeting`. AssertionError if one fails."""
    ranks = [
        forked([function.__module__], _joined, rank, processes, meeting, function, arguments)
        for rank in range(processes)
    ]
    for rank in ranks:
        rank.join(300)
    assert [rank.exitcode for rank in ranks] == [0] * processes


def _joined(
    rank: int, processes: int, meeting: Path, function: Callable[..., None], arguments: tuple[object, ...]
) -> None:
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=processes)
    function(*arguments)
    dist.destroy_process_group()
