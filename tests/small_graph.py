"""A graph of stages that take no time, in a repository of its own: for what is DVC's part alone."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests import clones

run = clones._run


def start(folder: Path, files: Mapping[str, str]) -> Path:
    """A repository with these files (by path), this project's settings of git and DVC and its Makefile, committed."""
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "Makefile"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clones.ROOT / name, folder / name)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    run(folder, "git", "init", "--quiet", "--initial-branch", "main")
    run(folder, "git", "config", "user.name", "test")
    run(folder, "git", "config", "user.email", "test@localhost")
    clones.commit(folder, "Start")
    return folder


def make(folder: Path, *arguments: str) -> str:
    """What a target of the Makefile prints, its packages being installed already."""
    return run(folder, "make", "--silent", "--old-file", ".venv/requirements.synced", *arguments).stdout
