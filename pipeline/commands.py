"""The command line of modules that take no arguments."""

import argparse
import logging
from collections.abc import Callable

from pipeline.errors import InputError


def run_command(module: str, description: str | None, work: Callable[[], int], arguments: list[str]) -> int:
    """Do the work of `python -m module`; returns its exit status. Bad input is one sentence, and 1."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    argparse.ArgumentParser(prog=f"python -m {module}", description=description).parse_args(arguments)
    try:
        return work()
    except InputError as error:
        logging.error("error: %s", error)
        return 1
