"""Everything about a run that must not change its result: device, threads, workers, logging, error display.

These come from the environment, never from tracked parameters:

- `MASKCONTRAST_DEVICE`: `cpu`, `cuda` or `cuda:1`; by default the first GPU where there is one;
- `MASKCONTRAST_WORKERS`: loader processes beside the main one; 0 by default on a machine of up to 4 cores.
  The same number of processes computes single images; one per core by default.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING

import typer

from pipeline.errors import InputError

if TYPE_CHECKING:
    import torch

log = logging.getLogger("maskcontrast")


def run_stage(main: Callable[..., None]) -> None:
    """Run `main` as a command line; bad input ends it with one sentence and exit status 1, no traceback."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    try:
        app()
    except InputError as error:
        log.error("error: %s", error)
        sys.exit(1)


def device() -> "torch.device":
    """The device of this run, with deterministic kernels asked for wherever PyTorch has them."""
    import torch

    torch.use_deterministic_algorithms(True, warn_only=True)
    # Nothing here reads memory before writing it, so there is no need to fill it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    wanted = os.environ.get("MASKCONTRAST_DEVICE")
    return torch.device(wanted or ("cuda" if torch.cuda.is_available() else "cpu"))


def workers() -> int:
    """Loader processes: `MASKCONTRAST_WORKERS`, else one for every two cores beyond the first four, at most 8."""
    wanted = os.environ.get("MASKCONTRAST_WORKERS")
    return int(wanted) if wanted else min(8, max(0, ((os.cpu_count() or 1) - 4) // 2))


@contextmanager
def process_pool(module: str) -> Iterator[Executor]:
    """Processes for work on single images with the functions of `module`, each with one thread.

    `MASKCONTRAST_WORKERS` of them, else one per core. One process is a pool too, so that their number cannot
    change a result: numerical libraries may round differently with several threads.
    """
    count = max(1, int(os.environ.get("MASKCONTRAST_WORKERS") or os.cpu_count() or 1))
    # Forked from a server that imports the module once: a fork of this process would copy its threads' locks.
    context = get_context("forkserver")
    context.set_forkserver_preload([module])
    pool = ProcessPoolExecutor(count, context)
    try:
        with environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"):
            yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # after an error, what is still waiting is not worth computing


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables, which child processes started inside inherit, and put the old ones back."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
