"""`python -m pipeline.check_cache` reads every object of DVC's cache and removes those that are damaged.

An object is named after the md5 of its content, and DVC trusts the name: `dvc status`, `dvc checkout` and `dvc push`
pass damaged content on. Files of the workspace that are copies of a damaged object are removed too, for DVC holds them
to be right. `dvc pull` then brings both again.
"""

import hashlib
import logging
import os
import re
import sys
from collections.abc import Container, Iterator
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.output import Output
from dvc.repo import Repo
from dvc_data.hashfile.tree import Tree

from pipeline.commands import run_command
from pipeline.errors import InputError
from pipeline.progress import track

NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}(\.dir)?")


def md5(path: Path) -> str:
    """The md5 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def damaged_objects(cache: Path) -> dict[str, str]:
    """For the name of every object below `cache` (`files/md5`) whose content is another: the md5 that it has."""
    paths = [path for path in sorted(cache.glob("*/*")) if NAME.fullmatch(path.relative_to(cache).as_posix())]
    found = {path.parent.name + path.name: md5(path) for path in track(paths, "check", unit="object")}
    return {name: actual for name, actual in found.items() if actual != name.removesuffix(".dir")}


def remove_damaged() -> dict[str, list[Path]]:
    """Remove damaged objects and their copies; returns which files of this commit each of them was, by its name.

    Raises InputError outside of a repository.
    """
    try:
        with Repo() as repo:
            cache, outputs = Path(repo.cache.local.path), list(repo.index.outs)
            damaged = damaged_objects(cache)
            contents = [pair for output in outputs for pair in _contents(output, damaged)] if damaged else []
    except DvcException as error:
        raise InputError(f"the cache cannot be checked: {error}") from None
    for name in damaged:
        (cache / name[:2] / name[2:]).unlink()
    for path, name in contents:
        if name in damaged and path.is_file() and md5(path) == damaged[name]:
            path.unlink()
    return {name: [path for path, content in contents if content == name] for name in damaged}


def _contents(output: Output, damaged: Container[str]) -> Iterator[tuple[Path, str]]:
    """The output, and for a folder every file in it, each with the name of its object."""
    name, path = output.hash_info.value if output.hash_info else None, Path(output.fs_path)
    if name:
        yield path, name
    listing = output.get_obj() if name and name not in damaged else None
    for key, _, content in listing if isinstance(listing, Tree) else ():
        yield path.joinpath(*key), content.value if content and content.value else ""


def main() -> int:
    """Remove what is damaged and name it; returns the exit status, 1 when there was any."""
    damaged = remove_damaged()
    for name, files in damaged.items():
        shown = ", ".join(os.path.relpath(path) for path in files) or "none of this commit"
        logging.error("removed damaged object %s (%s)", name, shown)
    logging.info("%d objects were damaged%s", len(damaged), "; `dvc pull` brings them again" if damaged else "")
    return 1 if damaged else 0


if __name__ == "__main__":
    sys.exit(run_command("pipeline.check_cache", __doc__, main, sys.argv[1:]))
