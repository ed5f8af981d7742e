"""Everything about a run that must not change its result: device, threads, workers, logging, error display.

These come from the environment, never from tracked parameters:

- `MASKCONTRAST_DEVICE`: `cpu`, `cuda` or `cuda:1`; by default the first GPU where there is one;
- `MASKCONTRAST_WORKERS`: loader processes beside the main one; 0 by default on a machine of up to 4 cores.
"""

import logging
import os
import sys
from collections.abc import Callable
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
    torch.backends.cudnn.benchmark = False
    wanted = os.environ.get("MASKCONTRAST_DEVICE")
    return torch.device(wanted or ("cuda" if torch.cuda.is_available() else "cpu"))


def workers() -> int:
    """Loader processes: `MASKCONTRAST_WORKERS`, else one for every two cores beyond the first four, at most 8."""
    wanted = os.environ.get("MASKCONTRAST_WORKERS")
    return int(wanted) if wanted else min(8, max(0, ((os.cpu_count() or 1) - 4) // 2))
