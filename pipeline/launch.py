"""Stages that share their work among processes: started once, they become several when the environment asks for it.

`MASKCONTRAST_PROCESSES=4` (1 by default) starts four; on a machine with GPUs the one of local rank r uses GPU r. Under
a torchrun of the user's own, on one machine or on several with one file system, they use its processes.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, get_error_handler
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from pipeline.errors import InputError
from pipeline.runtime import device, log, run_stage

GRACE = 2.0  # seconds in which a process whose partner is gone gets stopped
PATIENCE = 30.0  # minutes, more than any checkpoint takes to be written


def run_shared_stage(main: Callable[..., None], patience: float = PATIENCE) -> None:
    """As `run_stage`, in as many processes as `MASKCONTRAST_PROCESSES` says.

    One that waits for the others longer than `patience` minutes, because a machine is gone without a word, gives up.
    """

    @wraps(main)
    def shared(*arguments: Any, **options: Any) -> None:
        count = _wanted_processes()
        if "WORLD_SIZE" in os.environ:
            log.setLevel(logging.INFO if os.environ["RANK"] == "0" else logging.ERROR)
            with _errors_reported_once(launched_here=count > 1):
                _join(timedelta(minutes=patience))
                main(*arguments, **options)
            # Left to the end of Python, a connection that the other side has closed may abort the process.
            wait_for_all()
            dist.destroy_process_group()
        elif count > 1:
            _run_ranks(count)
        else:
            main(*arguments, **options)

    run_stage(shared)


def _join(patience: timedelta) -> None:
    """Meet the other processes."""
    if (own := device()).type == "cuda":
        torch.cuda.set_device(own)  # else each process also takes memory of the first GPU
    # What lies in memory goes by Gloo, on machines with GPUs too: generators, decisions, work that is done.
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=patience)


def _run_ranks(count: int) -> None:
    """Run this stage in `count` processes; InputError with what the first that failed has said, or died of."""
    config = LaunchConfig(1, 1, count, None, "stage", rdzv_backend="c10d", rdzv_endpoint="localhost:0", max_restarts=0)
    module = f"stages.{Path(sys.argv[0]).stem}"
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # it tells of a failure at length
    try:
        elastic_launch(config, sys.executable)("-m", module, *sys.argv[1:])
    except ChildFailedError as error:
        failed, failure = error.get_first_failure()
        reply = failure.error_file_data.get("message")
        if isinstance(reply, dict):
            raise InputError(reply["message"].removeprefix(f"{InputError.__name__}: ")) from None
        killed = f"was killed by {failure.signal_name()}"
        died = killed if failure.exitcode < 0 else "failed as shown above"
        remedy = "run the stage again, it goes on from its last checkpoint"
        raise InputError(f"process {failed} of {count} {died}, and the others were stopped; {remedy}") from None


@contextmanager
def _errors_reported_once(launched_here: bool) -> Iterator[None]:
    """Have one process tell what is wrong, although every rank may have come across it.

    Bad input is left for the process that started this one, else for rank 0. Of other errors the first is shown: the
    rest follow from it, and their processes are stopped before they can tell, but for those of another machine.
    """
    try:
        yield
    except InputError as error:
        if launched_here:
            get_error_handler().record_exception(error)
            sys.exit(1)
        if rank():
            time.sleep(GRACE)
        raise
    except Exception as error:
        time.sleep(GRACE)
        if not _lost_partner(error):
            raise
        raise InputError(
            f"another process of this stage has died or does not answer ({str(error).splitlines()[0]:.200}); run the "
            "stage again, it goes on from its last checkpoint"
        ) from None


def _lost_partner(error: Exception) -> bool:
    # Of Gloo's errors only the text tells them from others.
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error).lower())


def _wanted_processes() -> int:
    wanted = os.environ.get("MASKCONTRAST_PROCESSES") or "1"
    if not (wanted.isascii() and wanted.isdecimal() and int(wanted) > 0):
        raise InputError(f"MASKCONTRAST_PROCESSES is {wanted!r}; set it to a number of processes, 1 or more")
    return int(wanted)


def rank() -> int:
    """The number of this process, from 0; 0 where there is one."""
    return dist.get_rank() if dist.is_initialized() else 0


def processes() -> int:
    """How many processes share the work."""
    return dist.get_world_size() if dist.is_initialized() else 1


def wait_for_all() -> None:
    """Go on when all processes have come here."""
    if dist.is_initialized():
        dist.all_reduce(torch.zeros(1))
