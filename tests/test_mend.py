"""Files that DVC was killed in the middle of writing; tests/test_golden_run.py kills it for real."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import mend
from pipeline.errors import InputError
from tests.clones import command, repro

NAMES = ("draw", "pack", "train")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose three stages, a line of text each, have run."""
    folder = tmp_path_factory.mktemp("graph")
    lines = "".join(f"  {name}:\n    cmd: echo {name} > {name}.txt\n    outs: [{name}.txt]\n" for name in NAMES)
    (folder / "dvc.yaml").write_text(f"stages:\n{lines}")
    command(folder, "dvc", "init", "--no-scm", "--quiet")
    assert repro(folder) == set(NAMES)
    return folder


@pytest.fixture
def graph(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to work in; no broken file in it is waited for."""
    monkeypatch.setattr(mend, "PATIENCE", 0.0)
    monkeypatch.chdir(shutil.copytree(finished, tmp_path / "graph"))
    return tmp_path / "graph"


def stages(text: str) -> dict[str, object]:
    return YAML(typ="safe").load(text).get("stages") or {}


def test_a_lock_cut_off_at_any_byte_keeps_the_stages_that_end_before_the_cut(graph: Path) -> None:
    lock = graph / "dvc.lock"
    text, told = lock.read_text(), []
    whole = stages(text)
    for end in range(len(text)):
        lock.write_text(text[:end])
        told += mend.mend(graph)
        kept = stages(lock.read_text())
        ended = [name for name, following in pairwise(NAMES) if text.index(f"  {following}:") < end - 2]
        assert {name: kept.get(name) for name in ended} == {name: whole[name] for name in ended}
        assert set(kept) <= set(NAMES)
    assert len(told) > 100
    assert told[-1] == f"{lock} ended too early; the first 2 stages in it were kept"


def test_dvc_goes_on_from_a_mended_lock_and_reads_its_own_list_of_processes_again(graph: Path) -> None:
    lock, busy = graph / "dvc.lock", graph / ".dvc" / "tmp" / "rwlock"
    before = lock.read_bytes()
    lock.write_bytes(before[: before.rindex(b"md5:") + 2])
    busy.write_text('{"write": {"a')
    assert [sentence.rpartition(" ")[2] for sentence in mend.mend(graph)] == ["kept", "removed"]
    assert repro(graph) == {"train"}
    assert lock.read_bytes() == before


def test_whole_files_and_missing_ones_are_left_alone(graph: Path) -> None:
    before = (graph / "dvc.lock").stat().st_mtime_ns
    assert mend.mend(graph) == []
    assert (graph / "dvc.lock").stat().st_mtime_ns == before
    (graph / "dvc.lock").unlink()
    assert mend.mend(graph) == []


def test_a_file_that_dvc_is_writing_is_waited_for(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = graph / "dvc.lock"
    text = lock.read_text()
    lock.write_text(text[: text.rindex("md5:") + 2])
    monkeypatch.setattr(mend, "PATIENCE", 60.0)
    monkeypatch.setattr(mend.time, "sleep", lambda _: lock.write_text(text))
    assert mend.mend(graph) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: f"<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n",
        lambda text: text + text.partition("stages:\n")[2],
        lambda text: text.replace("2.0", "3.0"),
        lambda text: f"{text}newer: 1\n",
    ],
    ids=["both sides of a merge", "their union", "another schema", "another key"],
)
def test_a_lock_that_is_not_cut_off_is_left_alone(graph: Path, spoil: Callable[[str], str]) -> None:
    lock = graph / "dvc.lock"
    text = spoil(lock.read_text())
    lock.write_text(text)
    with pytest.raises(InputError, match="dvc.lock cannot be read, and not because it ends too early"):
        mend.mend(graph)
    assert lock.read_text() == text
