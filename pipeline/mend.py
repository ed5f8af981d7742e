"""`python -m pipeline.mend` makes DVC's own files readable again where DVC was killed in the middle of writing one.

DVC writes `dvc.lock` and `.dvc/tmp/rwlock` in place. Of a `dvc.lock` that ends too early the stages before the cut are
kept; `dvc repro` takes the others from the run-cache. `make repro` begins with this.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from ruamel.yaml import YAML, YAMLError
from voluptuous import Invalid

from pipeline.commands import run_command
from pipeline.errors import InputError
from pipeline.packed import replacing

STAGE = re.compile(r"^  \S", re.MULTILINE)  # where a stage begins in `dvc.lock`
EMPTY = "schema: '2.0'\n"
PATIENCE = 2.0  # seconds, since a DVC that lives writes these files too


def mend(folder: Path) -> list[str]:
    """Mend DVC's files of the repository in `folder`; returns a sentence on each that was broken.

    Raises InputError where `dvc.lock` holds the marks of a merge, for which of the two sides counts is not ours to say.
    """
    lock, busy = folder / "dvc.lock", folder / ".dvc" / "tmp" / "rwlock"
    told = []
    if _broken(lock, _is_lock):
        text = lock.read_text(errors="replace")
        if re.search("^(<<<<<<<|>>>>>>>) ", text, re.MULTILINE):
            raise InputError(f"{lock} holds both sides of a merge; keep one of them, then run `dvc repro`")
        whole = _whole_stages(text)
        with replacing(lock) as mended:
            mended.write_text(whole or EMPTY)
        told.append(f"{lock} ended too early; the first {len(STAGE.findall(whole))} stages in it were kept")
    if _broken(busy, _is_json):
        busy.unlink()
        told.append(f"{busy} ended too early and was removed")
    return told


def _broken(path: Path, readable: Callable[[str], bool]) -> bool:
    """Whether a file that is there is unreadable, and stays so."""
    until = time.monotonic() + PATIENCE
    while path.exists() and not readable(path.read_text(errors="replace")):
        if time.monotonic() > until:
            return True
        time.sleep(0.1)
    return False


def _is_lock(text: str) -> bool:
    try:
        COMPILED_LOCKFILE_SCHEMA(YAML(typ="safe").load(text))
    except (YAMLError, Invalid):
        return False
    return True


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True


def _whole_stages(text: str) -> str:
    """The longest beginning of a `dvc.lock` that ends where a stage ends and can be read; empty where there is none."""
    starts = [found.start() for found in STAGE.finditer(text)]
    return next((text[:end] for end in reversed(starts) if _is_lock(text[:end])), "")


def main() -> int:
    """Mend the repository here; returns the exit status."""
    for sentence in mend(Path()):
        logging.warning(sentence)
    return 0


if __name__ == "__main__":
    sys.exit(run_command("pipeline.mend", __doc__, main, sys.argv[1:]))
