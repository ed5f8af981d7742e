import errno
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from pipeline import scratch
from pipeline.errors import InputError
from pipeline.scratch import Scratch, fingerprint, scratch_area
from pipeline.unchanged import SOURCES
from tests.clones import ROOT


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all areas, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path / ".scratch"


def test_a_named_tensor_holds_what_an_earlier_process_wrote_and_another_is_zero(tmp_path: Path):
    first = Scratch(tmp_path / "area")
    first.tensor((2, 3), torch.float16, "kept")[1] = 7
    first.tensor((2, 3), torch.float16)[:] = 7
    later = Scratch(tmp_path / "area")
    assert later.tensor((2, 3), torch.float16, "kept").tolist() == [[0, 0, 0], [7, 7, 7]]
    assert later.tensor((2, 3), torch.float16).count_nonzero() == 0


def test_nameless_tensors_leave_no_file(tmp_path: Path):
    tensor = Scratch(tmp_path).tensor((4,), torch.uint8)
    tensor[:] = torch.arange(4)
    assert list(tmp_path.iterdir()) == []
    assert tensor.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("folder", [None, Path("area")])
def test_parts_are_gathered_in_order(folder: Path | None):
    parts = [[torch.full((rows, 2), rows), torch.full((rows,), 0.5)] for rows in (2, 1, 3)]
    numbers, halves = Scratch(folder).gather(6, parts)
    assert numbers[:, 0].tolist() == [2, 2, 1, 3, 3, 3]
    assert halves.tolist() == [0.5] * 6


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match=r"has no room for 2\.4 GB \(No space left on device\); make some"):
        Scratch(tmp_path).tensor((600_000_000,), torch.float32)


def leave(value: int, *, finished: bool, stage: str = "stage") -> Path:
    """The area of a run that has ended, well or not."""
    with suppress(RuntimeError), scratch_area(stage, [], value) as area:
        area.tensor((1,), torch.uint8, "kept")[:] = value
        if not finished:
            raise RuntimeError
    assert area.folder is not None
    return area.folder


@pytest.mark.parametrize("finished", [False, True])
def test_an_area_stays_whether_its_run_ended_well_or_not(finished: bool):
    folder = leave(5, finished=finished)
    with scratch_area("stage", [], 5) as area:
        assert area.folder == folder
        assert area.tensor((1,), torch.uint8, "kept").tolist() == [5]


def test_another_run_of_the_stage_keeps_what_is_unfinished_and_removes_what_is_finished():
    finished, unfinished = leave(1, finished=True), leave(2, finished=False)
    elsewhere = leave(1, finished=True, stage="other")
    mine = leave(3, finished=True)
    assert [folder.exists() for folder in (finished, unfinished, elsewhere, mine)] == [False, True, True, True]


def test_a_finished_run_that_runs_again_is_not_removed_meanwhile():
    folder = leave(1, finished=True)
    with scratch_area("stage", [], 1):
        assert not (folder / "finished").exists()


def age(folder: Path, days: float) -> None:
    then = time.time() - days * 86400
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (then, then))


def test_an_area_that_nobody_touched_for_two_weeks_goes():
    old, recent = leave(1, finished=False), leave(2, finished=False)
    age(old, 15)
    age(recent, 13)
    leave(3, finished=True)
    assert (old.exists(), recent.exists()) == (False, True)


def test_another_experiment_may_remove_the_same_areas_at_the_same_time(monkeypatch: pytest.MonkeyPatch):
    finished, old = leave(1, finished=True), leave(2, finished=False)
    age(old, 15)
    remove = shutil.rmtree

    def second_to_remove(folder: Path, **options) -> None:
        remove(folder)
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", second_to_remove)
    mine = leave(3, finished=True)
    assert [folder.exists() for folder in (finished, old, mine)] == [False, False, True]


def test_an_area_in_which_files_come_and_go_is_not_old(monkeypatch: pytest.MonkeyPatch):
    busy = leave(1, finished=False)
    age(busy, 15)
    monkeypatch.setattr(Path, "rglob", lambda folder, pattern: [folder / "just_renamed.tmp"])
    leave(2, finished=False)
    assert busy.exists()


def test_a_run_that_goes_on_after_weeks_finds_its_area():
    folder = leave(5, finished=False)
    age(folder, 40)
    with scratch_area("stage", [], 5) as area:
        assert area.tensor((1,), torch.uint8, "kept").tolist() == [5]


def test_pruning_removes_what_is_older_than_asked_for(home: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    old, recent = leave(1, finished=False), leave(2, finished=False, stage="other")
    age(old, 3)
    assert scratch.main(["prune", "--days", "2"]) == 0
    assert (old.exists(), recent.exists()) == (False, True)
    assert caplog.messages == ["removed 1 areas of .scratch"]


def test_an_experiment_in_a_copy_of_the_project_keeps_its_work_in_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """DVC runs queued experiments in a folder that it deletes, and sets DVC_ROOT to that of the project."""
    (tmp_path / "copy").mkdir()
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    assert leave(1, finished=False).is_relative_to(tmp_path / "project" / ".scratch" / "stage")


def test_every_file_value_and_line_of_code_counts_in_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one, other, missing = tmp_path / "one", tmp_path / "other", tmp_path / "missing"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    code = tmp_path / "code.py"
    code.write_text("x = 1")
    module = type(sys)("pipeline.imported")
    module.__file__ = str(code)
    before = fingerprint([one, missing], {"rate": 0.1})
    found = {before, fingerprint([other], {"rate": 0.1}), fingerprint([one], {"rate": 0.2})}
    monkeypatch.setitem(sys.modules, "pipeline.imported", module)
    found.add(fingerprint([one], {"rate": 0.1}))
    code.write_text("x = 2")
    found.add(fingerprint([one], {"rate": 0.1}))
    assert len(found) == 5
    monkeypatch.delitem(sys.modules, "pipeline.imported")
    assert fingerprint([one], {"rate": 0.1}) == before


def test_code_counts_as_it_was_when_it_was_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    read, opened = [], Path.open
    monkeypatch.setattr(Path, "open", lambda path, mode: read.append(path.name) or opened(path, mode))
    before = fingerprint([])
    assert "scratch.py" not in read  # it may have been edited since
    monkeypatch.setitem(SOURCES, "pipeline/scratch.py", "another")
    assert fingerprint([]) != before


HOLDER = """
import sys
from pathlib import Path
from pipeline.locks import held
with held(Path(sys.argv[1]), str):
    print("held", flush=True)
    input()
"""


@pytest.mark.parametrize("place", ["", "area"])
def test_a_stage_or_a_run_in_use_is_refused_and_that_of_a_killed_process_is_taken_over(home: Path, place: str):
    area = leave(1, finished=False)
    held = area if place else area.parent
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(held / "lock")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with (
        pytest.raises(InputError, match=f"^{re.escape(str(held))} is in use by process {holder.pid}, which"),
        scratch_area("stage", [], 1),
    ):
        pass
    holder.kill()
    holder.communicate()
    assert leave(1, finished=True) == area


def test_without_a_folder_a_file_has_no_place():
    with pytest.raises(ValueError, match="no folder for 1.h5"):
        scratch.IN_MEMORY.path("1.h5")
