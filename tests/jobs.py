"""A repository with a graph of seconds and a remote, for tests of jobs that clone, run and send it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.clones import commit

GRAPH = """
stages:
  masks:
    cmd: cp images.txt masks.txt
    deps: [images.txt]
    outs: [masks.txt]
  pretrain:
    cmd: python pretrain.py
    deps: [masks.txt, pretrain.py]
    params: [trouble]
    outs: [model.txt]
  embed:
    cmd: cp model.txt embeddings.txt
    deps: [model.txt]
    outs: [embeddings.txt]
"""
# It goes on from what an earlier process left in the scratch folder, and without trouble makes the same in one go.
PRETRAIN = """
import os, pathlib, sys, time

trouble = pathlib.Path("params.yaml").read_text().split()[1]
steps = pathlib.Path(os.environ["DVC_ROOT"], ".scratch", "steps")
if trouble == "fails":
    sys.exit("out of memory")
if not steps.exists():
    steps.parent.mkdir(exist_ok=True)
    steps.write_text("step 1")
    time.sleep(600 if trouble == "halts" else 0)
pathlib.Path("model.txt").write_text(steps.read_text() + ", step 2")
"""
IGNORED = "/masks.txt\n/model.txt\n/embeddings.txt\n/.scratch/\n"


def repository(folder: Path, trouble: str = "none") -> Path:
    """`folder/origin` with the graph in one commit, whose remote is `folder/remote`."""
    origin = folder / "origin"
    origin.mkdir()
    (folder / "remote").mkdir()
    contents = {"dvc.yaml": GRAPH, "pretrain.py": PRETRAIN, "images.txt": "images", ".gitignore": IGNORED}
    for name, text in (contents | {"params.yaml": f"trouble: {trouble}\n"}).items():
        (origin / name).write_text(text)
    (origin / ".dvc").mkdir()
    (origin / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    name_remote(origin, folder / "remote")
    call(origin, "git", "init", "--quiet")
    commit(origin, "Start")
    return origin


def name_remote(origin: Path, remote: Path | str) -> None:
    """Name the remote."""
    settings = "[core]\n    analytics = false\n    autostage = false\n    check_update = false\n    remote = store\n"
    (origin / ".dvc" / "config").write_text(f"{settings}['remote \"store\"']\n    url = {remote}\n")


def call(folder: Path, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder with the environment of the tests first on PATH; what it says is in `stdout`."""
    process = start(folder, *command, **variables)
    return subprocess.CompletedProcess(command, stdout=process.communicate()[0], returncode=process.returncode)


def start(folder: Path, *command: str | Path, **variables: str) -> subprocess.Popen[str]:
    """As `call`, without waiting for the end."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{variables.pop('PATH', os.environ['PATH'])}"
    environment = os.environ | {"PYTHONWARNINGS": "default", "PATH": path} | variables
    words = [str(word) for word in command]
    return subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def remote_objects(origin: Path) -> set[str]:
    """The contents of what was sent to the remote, records of runs left out."""
    return {path.read_text() for path in (origin.parent / "remote" / "files").rglob("*") if path.is_file()}
