"""Processes forked from a server that imports what they need once: they start in a moment, with one thread."""

import os
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from pipeline.runtime import environment


def forked(modules: list[str], function: Callable[..., None], *arguments: object) -> ForkServerProcess:
    """A process that has started to call `function(*arguments)`; the server, if it is new, imports `modules`."""
    context = get_context("forkserver")
    context.set_forkserver_preload(modules)
    process = context.Process(target=function, args=arguments)
    # The server keeps the environment of its start, and is the one of the library's pools too.
    with environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"):
        process.start()
    return process


def telling(said: Path, function: Callable[..., None], *arguments: object) -> None:
    """In a forked process, call `function(*arguments)`; what it and its children say on stderr goes into a file."""
    with said.open("w") as file:
        os.dup2(file.fileno(), 2)
    function(*arguments)
