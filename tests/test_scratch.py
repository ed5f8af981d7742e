import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline import scratch
from pipeline.errors import InputError
from pipeline.scratch import Scratch, fingerprint, scratch_area


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all areas, in an empty folder."""
    monkeypatch.chdir(tmp_path)
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


def test_an_area_stays_after_an_error_and_goes_after_a_good_end(home: Path):
    with pytest.raises(RuntimeError), scratch_area("stage", [], 1) as area:
        area.tensor((3,), torch.uint8, "kept")[:] = 5
        raise RuntimeError
    with scratch_area("stage", [], 1) as area:
        assert area.tensor((3,), torch.uint8, "kept").tolist() == [5, 5, 5]
    assert [path.name for path in (home / "stage").iterdir()] == ["lock"]


def test_areas_of_other_runs_of_the_stage_are_removed_and_those_of_other_stages_are_not(home: Path):
    for name in ("stage", "other"):
        with pytest.raises(RuntimeError), scratch_area(name, [], 1):
            raise RuntimeError
    with scratch_area("stage", [], 2) as area:
        assert set((home / "stage").iterdir()) == {home / "stage" / "lock", home.parent / area.path("")}
    assert len(list((home / "other").iterdir())) == 2


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


HOLDER = """
import fcntl, sys, time
file = open(".scratch/stage/lock", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def test_an_area_in_use_is_refused_and_that_of_a_killed_process_is_taken_over(home: Path):
    (home / "stage").mkdir(parents=True)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(InputError, match=r"^\.scratch/stage is in use by another process"), scratch_area("stage", []):
        pass
    holder.kill()
    holder.communicate()
    with scratch_area("stage", []) as area:
        assert area.folder is not None


def test_without_a_folder_a_file_has_no_place():
    with pytest.raises(ValueError, match="no folder for 1.h5"):
        scratch.IN_MEMORY.path("1.h5")
