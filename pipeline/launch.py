"""Stages that share their work among processes: started once, they run under torchrun when the environment asks for it.

`MASKCONTRAST_PROCESSES=4` (1 by default) starts four; on a machine with GPUs the one of local rank r uses GPU r. Under
a torchrun of the user's own, on one machine or on several with one file system, they use its processes.
"""

import logging
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import torch.distributed as dist

from pipeline.errors import InputError
from pipeline.runtime import log, run_stage

PATIENCE = timedelta(days=30)  # with fewer batches left than processes, most wait for one


def run_shared_stage(main: Callable[..., None]) -> None:
    """As `run_stage`, in as many processes as `MASKCONTRAST_PROCESSES` says."""

    @wraps(main)
    def shared(*arguments: Any, **options: Any) -> None:
        if "WORLD_SIZE" in os.environ:
            log.setLevel(logging.INFO if os.environ["RANK"] == "0" else logging.ERROR)
            dist.init_process_group("gloo", timeout=PATIENCE)
        elif (count := _wanted_processes()) > 1:
            _become_torchrun(count)
        main(*arguments, **options)

    run_stage(shared)


def _become_torchrun(count: int) -> NoReturn:
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", "--module"]
    module = f"stages.{Path(sys.argv[0]).stem}"
    os.execv(sys.executable, [sys.executable, *torchrun, module, *sys.argv[1:]])


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
        dist.barrier()
