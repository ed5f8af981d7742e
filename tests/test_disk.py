"""What docs/disk.md says about the cache: what may be removed from it, and what an edited file does to it."""

import contextlib
import os
import re
import shlex
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.repo.reproduce import reproduce
from ruamel.yaml import YAML

from tests import clones
from tests.small_graph import run, start

# The warning is DVC's own.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")]

GRAPH = """
stages:
  pretrain:
    cmd: mkdir -p models && cp params.yaml models/maskcontrast.pt
    params: [temperature]
    outs: [models/maskcontrast.pt]
"""


@pytest.fixture
def tried(tmp_path: Path) -> Path:
    """A repository whose tag, branches, past and experiment each have another output, and two tries without commit."""
    folder = start(tmp_path, {"dvc.yaml": GRAPH, "params.yaml": "temperature: 0.1\n"})
    give(folder, 0.1)
    run(folder, "git", "tag", "published")
    run(folder, "git", "checkout", "--quiet", "-b", "other")
    give(folder, 0.2)
    run(folder, "git", "checkout", "--quiet", "main")
    give(folder, 0.3)
    give(folder, 0.4)
    run(folder, "dvc", "exp", "run", "--temp", "--name", "swept", "-S", "temperature=0.5")
    give(folder, 0.6, committed=False)
    give(folder, 0.7, committed=False)
    return folder


def give(folder: Path, temperature: float, *, committed: bool = True) -> None:
    """Run at another temperature."""
    (folder / "params.yaml").write_text(f"temperature: {temperature}\n")
    with contextlib.chdir(folder), Repo() as repo:  # here, since a process for each would take most of the test's time
        reproduce(repo)
    if committed:
        clones.commit(folder, f"Run at {temperature}")


def cached(folder: Path) -> set[str]:
    """The hash of every object in the cache."""
    objects = folder / ".dvc" / "cache" / "files" / "md5"
    return {path.parent.name + path.name for path in objects.rglob("*") if path.is_file()}


def needed(folder: Path, revision: str) -> str:
    """The hash of the output at a revision of git."""
    text = run(folder, "git", "show", f"{revision}:dvc.lock").stdout
    return YAML(typ="safe").load(text)["stages"]["pretrain"]["outs"][0]["md5"]


def documented(pattern: str) -> list[str]:
    """The one command in docs/disk.md that begins so, in words."""
    [line] = re.findall(rf"^{pattern}.*$", (clones.ROOT / "docs" / "disk.md").read_text(), re.MULTILINE)
    return shlex.split(line, comments=True)


def test_the_documented_collection_keeps_what_anything_needs_and_that_of_the_workspace_alone_does_not(tried: Path):
    experiment = run(tried, "git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/swept").stdout.strip()
    kept = {needed(tried, revision) for revision in ("published", "other", "main~1", "main", experiment)}
    workspace = YAML(typ="safe").load(tried / "dvc.lock")["stages"]["pretrain"]["outs"][0]["md5"]
    before = cached(tried)
    assert len(before) == 7
    assert kept | {workspace} < before
    run(tried, *documented("dvc gc"), "--force")
    assert cached(tried) == kept | {workspace}
    run(tried, "dvc", "gc", "--workspace", "--force")
    assert cached(tried) == {workspace}


def test_an_edited_output_leaves_the_cache_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Even where the user's own settings ask for hard links, through which root writes into the cache."""
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "config").write_text("[cache]\n    type = hardlink\n")
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "settings"))
    (tmp_path / "repository").mkdir()
    folder = start(tmp_path / "repository", {"dvc.yaml": GRAPH, "params.yaml": "temperature: 0.1\n"})
    clones.repro(folder)
    output, [object_hash] = folder / "models" / "maskcontrast.pt", cached(folder)
    assert (output.is_symlink(), output.stat().st_nlink) == (False, 1)
    with output.open("r+") as file:
        file.write("broken")
    [stored] = (folder / ".dvc" / "cache" / "files" / "md5" / object_hash[:2]).iterdir()
    assert stored.read_text() == "temperature: 0.1\n"
    assert os.access(output, os.W_OK)
