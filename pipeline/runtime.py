"""Everything about a run that must not change its result: device, threads, workers, logging, error display.

These come from the environment, never from tracked parameters:

- `MASKCONTRAST_DEVICE`: `cpu`, `cuda` or `cuda:1`; by default the first GPU where there is one;
- `MASKCONTRAST_WORKERS`: loader processes beside the main one; 0 by default on a machine of up to 4 cores.
  The same number of processes computes single images; one per core by default;
- `MASKCONTRAST_CHECKPOINT_SECONDS`: the least time between two checkpoints within an epoch; 60 by default;
- `MASKCONTRAST_CACHE_MB`: megabytes of decoded images that pretraining keeps in memory, all processes of a machine
  together; 1024 by default.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import wraps
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pipeline.errors import FullDisk, InputError, full, full_disk_told
from pipeline.locks import held
from pipeline.unchanged import unchanged

if TYPE_CHECKING:
    import torch

log = logging.getLogger("maskcontrast")


def run_stage(main: Callable[..., None]) -> None:
    """Run `main` as a command line; bad input ends it with one sentence and exit status 1, no traceback.

    So does a full disk, an edit of what the stage depends on while it runs, and a process that runs the same stage of
    this graph already.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    watched = _refusing_edits(main) if _watches() else main
    app.command()(_tracebacks_of_full_disks_hidden()(watched))  # within, as Typer has a hook of its own
    try:
        with _alone(), full_disk_told(Path.cwd()):
            app()
    except InputError as error:
        log.error("error: %s", _sentence(error))
        if isinstance(error, FullDisk):
            # HDF5 aborts the process when objects are let go whose file could not be written.
            sys.stderr.flush()
            os._exit(1)
        sys.exit(1)


def _refusing_edits(main: Callable[..., None]) -> Callable[..., None]:
    @wraps(main)
    def watched(*arguments: Any, **options: Any) -> None:
        with unchanged((*arguments, *options.values())):
            main(*arguments, **options)

    return watched


def _watches() -> bool:
    """Of processes that share a stage the one watches that started the others, or the first where torchrun did."""
    started_here = os.environ.get("MASKCONTRAST_PROCESSES", "") not in ("", "1")
    return "WORLD_SIZE" not in os.environ or (os.environ.get("RANK") == "0" and not started_here)


def _sentence(error: InputError) -> str:
    # A loader process hands on its traceback as the message, and the sentence stands at the end of it.
    return str(error).rpartition(f"{InputError.__module__}.{InputError.__qualname__}: ")[2].strip()


@contextmanager
def _tracebacks_of_full_disks_hidden() -> Iterator[None]:
    """HDF5 objects that are let go show theirs, outside of any handler, beside what is raised anyway."""
    shown, ignored = sys.excepthook, sys.unraisablehook
    sys.excepthook = lambda kind, error, trace: None if full(error) else shown(kind, error, trace)
    sys.unraisablehook = lambda told: None if full(told.exc_value) else ignored(told)
    try:
        yield
    finally:
        sys.excepthook, sys.unraisablehook = shown, ignored


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the stage that DVC runs here, since one that outlived a killed DVC would write the same files.

    InputError when another process has it; the system takes it from one that dies. A stage's own processes share it.
    """
    stage = os.environ.get("DVC_STAGE", "").rpartition(":")[2]
    if not stage or "WORLD_SIZE" in os.environ:
        yield
        return
    still = f"still runs stage {stage}, perhaps left by a killed `dvc`; wait until it ends, or end it"
    with held(Path(".scratch") / f"{stage}.lock", lambda holder: f"process {holder} {still}"):
        yield


def device() -> "torch.device":
    """The device of this run, with deterministic kernels asked for wherever PyTorch has them.

    Raises InputError when `MASKCONTRAST_DEVICE` names none that is there.
    """
    import torch

    torch.use_deterministic_algorithms(True, warn_only=True)
    # Nothing here reads memory before writing it, so there is no need to fill it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    wanted = os.environ.get("MASKCONTRAST_DEVICE")
    gpus = torch.cuda.device_count()
    if not wanted or (wanted == "cuda" and gpus):
        # Of the processes that torchrun starts on a machine, each has a GPU of its own as far as they go round.
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % gpus) if gpus else torch.device("cpu")
    if wanted not in ["cpu", *(f"cuda:{i}" for i in range(gpus))]:
        raise InputError(
            f"MASKCONTRAST_DEVICE is {wanted!r} with {gpus} GPUs found; set it to cpu, cuda or one GPU as in cuda:0"
        )
    return torch.device(wanted)


def workers() -> int:
    """Loader processes: `MASKCONTRAST_WORKERS`, else one for every two cores beyond the first four, at most 8.

    Raises InputError when `MASKCONTRAST_WORKERS` is no whole number from 0 up.
    """
    wanted = _wanted_workers()
    return min(8, max(0, ((os.cpu_count() or 1) - 4) // 2)) if wanted is None else wanted


def _wanted_workers() -> int | None:
    wanted = os.environ.get("MASKCONTRAST_WORKERS")
    if not wanted:
        return None
    if not (wanted.isascii() and wanted.isdecimal()):
        raise InputError(f"MASKCONTRAST_WORKERS is {wanted!r}; set it to a number of processes, 0 or more")
    return int(wanted)


def checkpoint_seconds() -> float:
    """`MASKCONTRAST_CHECKPOINT_SECONDS`, else 60; InputError when it is no number from 0 up."""
    wanted = os.environ.get("MASKCONTRAST_CHECKPOINT_SECONDS") or "60"
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", wanted):
        raise InputError(f"MASKCONTRAST_CHECKPOINT_SECONDS is {wanted!r}; set it to a number of seconds, 0 or more")
    return float(wanted)


def cache_bytes() -> int:
    """This process's share of `MASKCONTRAST_CACHE_MB`, else 1024, in bytes; InputError when that is no whole number."""
    wanted = os.environ.get("MASKCONTRAST_CACHE_MB") or "1024"
    if not (wanted.isascii() and wanted.isdecimal()):
        raise InputError(f"MASKCONTRAST_CACHE_MB is {wanted!r}; set it to a number of megabytes, 0 or more")
    return int(wanted) * 10**6 // int(os.environ.get("LOCAL_WORLD_SIZE", 1))


@contextmanager
def process_pool(module: str) -> Iterator[Executor]:
    """Processes for work on single images with the functions of `module`, each with one thread.

    `MASKCONTRAST_WORKERS` of them, else one per core. One process is a pool too, so that their number cannot
    change a result: numerical libraries may round differently with several threads.
    """
    wanted = _wanted_workers()
    count = max(1, (os.cpu_count() or 1) if wanted is None else wanted)
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
