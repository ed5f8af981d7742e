"""`python -m pipeline.mend` makes DVC's own files readable again where DVC was killed in the middle of writing one.

DVC writes `dvc.lock` and `.dvc/tmp/rwlock` in place. Of a `dvc.lock` that ends too early the stages before the cut are
kept; `dvc repro` takes the others from the run-cache. One that is at fault in any other way, as after a merge, is left
as it is. `make repro` begins with this.
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
HEAD = f"{EMPTY}stages:\n"
PATIENCE = 2.0  # seconds, since a DVC that lives writes these files too


def mend(folder: Path) -> list[str]:
    """Mend DVC's files of the repository in `folder`; returns a sentence on each that was broken.

    Raises InputError where `dvc.lock` cannot be read and is not merely cut off.
    """
    lock, busy = folder / "dvc.lock", folder / ".dvc" / "tmp" / "rwlock"
    told = []
    if (text := _broken(lock, _is_lock)) is not None:
        whole = _whole_stages(text)
        if whole is None:
            raise InputError(
                f"{lock} cannot be read, and not because it ends too early; after a merge keep one of its sides "
                "(`git checkout --ours dvc.lock`), or delete it"
            )
        with replacing(lock) as mended:
            mended.write_text(whole)
        told.append(f"{lock} ended too early; the first {len(STAGE.findall(whole))} stages in it were kept")
    if _broken(busy, _is_json) is not None:
        busy.unlink()
        told.append(f"{busy} ended too early and was removed")
    return told


def _broken(path: Path, readable: Callable[[str], bool]) -> str | None:
    """The text of a file that is there, cannot be read, and stays so."""
    until = time.monotonic() + PATIENCE
    while path.exists() and not readable(text := path.read_text(errors="replace")):
        if time.monotonic() > until:
            return text
        time.sleep(0.1)
    return None


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


def _whole_stages(text: str) -> str | None:
    """A `dvc.lock` up to the stage that is cut off, its last; None where something else is wrong with it."""
    start = max((found.start() for found in STAGE.finditer(text)), default=0)
    if HEAD.startswith((text[:start] or text).rstrip(" ")):
        return EMPTY
    within = not re.search(r"^\S", text[start:], re.MULTILINE)  # the end of the text is in that stage
    return text[:start] if within and _is_lock(text[:start]) else None


def main() -> int:
    """Mend the repository here; returns the exit status."""
    for sentence in mend(Path()):
        logging.warning(sentence)
    return 0


if __name__ == "__main__":
    sys.exit(run_command("pipeline.mend", __doc__, main, sys.argv[1:]))
