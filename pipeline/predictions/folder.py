"""A folder of predictions that appears whole or not at all."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import InputError

TABLE = "objects.csv"


def require_writable(out: Path, inputs: Sequence[Path], overwrite: bool) -> None:
    """Raise InputError unless `out` may be written: it is new, empty, or predictions that may be replaced."""
    if any(out.resolve() in (source.resolve(), *source.resolve().parents) for source in inputs):
        raise InputError(f"{out} holds the images to predict on; name another folder for the predictions")
    if out.is_file():
        raise InputError(f"{out} is a file; name a folder for the predictions")
    if not out.exists() or not any(out.iterdir()):
        return
    if not (out / TABLE).exists():
        raise InputError(f"{out} holds other things than predictions ({TABLE} is not there); name another folder")
    if not overwrite:
        raise InputError(f"{out} holds predictions already; name another folder, or add --overwrite to replace them")


@contextmanager
def replacing_folder(out: Path) -> Iterator[Path]:
    """Yield a hidden folder beside `out` that takes its place only when the block ends without an error."""
    waiting, old = (out.with_name(f".{out.name}.{what}") for what in ("predicting", "replaced"))
    shutil.rmtree(waiting, ignore_errors=True)  # of a process that was killed
    waiting.mkdir(parents=True)
    try:
        yield waiting
    except BaseException:
        shutil.rmtree(waiting, ignore_errors=True)
        raise
    if out.exists():
        out.rename(old)
    waiting.rename(out)
    shutil.rmtree(old, ignore_errors=True)
