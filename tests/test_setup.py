"""A clone on a machine with nothing installed sets itself up; `make fresh` goes further and runs all tests in one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clones import ROOT, clone


@pytest.mark.slow
def test_make_setup_builds_a_working_environment_from_nothing(tmp_path: Path) -> None:
    folder = clone(tmp_path)
    outside = [part for part in os.environ["PATH"].split(os.pathsep) if ".venv" not in part]
    environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "MAKEFLAGS")}
    environment |= {"PATH": os.pathsep.join(outside), "PYTHON": sys._base_executable}  # type: ignore[attr-defined]
    subprocess.run(["make", "setup"], cwd=folder, env=environment, check=True)
    check = "import torch, torchvision, timm, faiss, h5py, dvc, typer, pandas, scipy; print(torch.__file__)"
    command = [str(folder / ".venv" / "bin" / "python"), "-c", check]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.startswith(str(folder / ".venv"))


def test_the_lock_pins_every_package_with_hashes_and_names_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=\S)", lock)
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    names = {re.split(r"==|\[", entry)[0] for entry in entries}
    assert {"torch", "torchvision", "dvc", "typer", "numpy", "h5py", "scipy", "pandas"} <= names
    assert {"faiss-gpu", "faiss-cpu"} <= names
    assert "://" not in lock


def test_nothing_but_the_two_commands_is_needed() -> None:
    first_screen = (ROOT / "README.md").read_text()[:2500]
    assert "make repro" in first_screen
    assert "make test" in first_screen
    assert "make test" in (ROOT / ".ci" / "run").read_text()
