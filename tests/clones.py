"""A clone of this repository as a newcomer would have it, with uncommitted edits included, and DVC run in it."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline import profile

ROOT = Path(__file__).parents[1]
IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@localhost")


def clone(folder: Path) -> Path:
    """A git repository in `folder` with this working tree's tracked and new files, in one commit, at the sample."""
    listed = _run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
            (folder / name).chmod((ROOT / name).stat().st_mode)
    (folder / "dvc.lock").unlink(missing_ok=True)
    (folder / "params.yaml").write_bytes((folder / "profiles" / "sample.yaml").read_bytes())
    git(folder, "init", "--quiet")
    commit(folder, "Start")
    return folder


def commit(folder: Path, message: str) -> None:
    """Commit everything, always at the same time, so that equal clones have commits of equal names."""
    git(folder, "add", "--all")
    dates = {f"GIT_{who}_DATE": "2026-01-01T00:00:00Z" for who in ("AUTHOR", "COMMITTER")}
    _run(folder, "git", *IDENTITY, "commit", "--quiet", "--message", message, variables=dates)


def apply_tiny(folder: Path) -> None:
    """Switch a clone to the smallest run of the graph."""
    profile.apply(folder / "tests" / "tiny.yaml", folder / "params.yaml")


def repro(folder: Path, *arguments: str) -> set[str]:
    """Run `dvc repro` and return the names of the stages that it ran."""
    output = _run(folder, "dvc", "repro", *arguments).stdout
    return set(re.findall(r"^Running stage '(.+)':$", output, re.MULTILINE))


def command(folder: Path, *words: str, status: int = 0) -> str:
    """Run a command of DVC, git or Python in the environment of the tests; returns all that it said."""
    done = _run(folder, *words, status=status)
    return done.stdout + done.stderr


def git(folder: Path, *arguments: str) -> str:
    """What git prints."""
    return _run(folder, "git", *arguments).stdout.strip()


def changed_for_git(folder: Path) -> list[str]:
    """What `git status` names, each path behind two letters that say how it has changed."""
    return _run(folder, "git", "status", "--porcelain").stdout.splitlines()


def environment() -> dict[str, str]:
    """The variables with which commands run in a clone: they find this Python's programs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONWARNINGS": "default"}


def _run(
    folder: Path, *command: str, status: int = 0, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    variables = environment() | dict(variables or {})
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == status, (
        f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    )
    return done
