"""Runs a function in several processes that form a group, as a stage's processes do."""

from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import torch
import torch.distributed as dist


def run(function: Callable[..., None], processes: int, meeting: Path, *arguments: object) -> None:
    """Call `function(*arguments)` in each of them; they meet by the new file `meeting`. AssertionError if one fails."""
    # Forked from a server that imports everything once.
    context = get_context("forkserver")
    context.set_forkserver_preload([function.__module__])
    ranks = [
        context.Process(target=_joined, args=(rank, processes, meeting, function, arguments))
        for rank in range(processes)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(300)
    assert [rank.exitcode for rank in ranks] == [0] * processes


def _joined(
    rank: int, processes: int, meeting: Path, function: Callable[..., None], arguments: tuple[object, ...]
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=processes)
    function(*arguments)
    dist.destroy_process_group()
