import os
import runpy
import subprocess
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from subprocess import PIPE

import pytest

from pipeline import runtime
from pipeline.launch import processes, rank, run_shared_stage, wait_for_all
from tests.forks import forked, telling
from tests.stages.tiny_runs import free_port

STAGE = """
import os, signal, time
from pipeline.errors import InputError
from pipeline.launch import rank, run_shared_stage, wait_for_all


def main(trouble: str) -> None:
    if trouble == "bad input everywhere" or (trouble == "bad input" and rank() == 1):
        raise InputError("maps.h5 has no maps; make some")
    if trouble == "kill" and rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if trouble == "bug" and rank() == 1:
        print(1 / 0)
    if trouble == "silence" and rank() == 1:
        time.sleep(600)
    wait_for_all()


if __name__ == "__main__":
    run_shared_stage(main, patience=float(os.environ["PATIENCE"]))
"""


def with_stage(folder: Path) -> dict[str, str]:
    """The environment in which `python -m stages.trouble` runs STAGE in that folder."""
    (folder / "stages").mkdir()
    (folder / "stages" / "__init__.py").touch()
    (folder / "stages" / "trouble.py").write_text(STAGE)
    return os.environ | {"PYTHONPATH": str(Path.cwd()), "MASKCONTRAST_DEVICE": "cpu", "PATIENCE": "30"}


def in_trouble(folder: Path, environment: dict[str, str], trouble: str) -> ForkServerProcess:
    """The same stage in a fork, which starts in a moment; what it says goes to `folder/said.txt`."""
    return forked(["pipeline.launch"], telling, folder / "said.txt", run_trouble, folder, environment, trouble)


def run_trouble(folder: Path, environment: dict[str, str], trouble: str) -> None:
    """Run the stage in this process."""
    os.chdir(folder)
    os.environ |= environment
    sys.argv = ["trouble.py", trouble]
    runpy.run_path("stages/trouble.py", run_name="__main__")


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line of a stage, alone."""
    monkeypatch.setattr("sys.argv", ["/somewhere/stages/predict_saliency.py", "in.h5"])
    monkeypatch.delenv("WORLD_SIZE", raising=False)


def test_one_process_runs_the_stage_itself(arguments: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKCONTRAST_PROCESSES", "1")
    seen = []

    def main(path: Path) -> None:
        seen.append(path)

    with pytest.raises(SystemExit) as stop:
        run_shared_stage(main)
    assert (stop.value.code, seen) == (0, [Path("in.h5")])
    assert (rank(), processes()) == (0, 1)
    wait_for_all()


@pytest.mark.slow
def test_several_processes_without_trouble_end_well(tmp_path: Path) -> None:
    environment = with_stage(tmp_path) | {"MASKCONTRAST_PROCESSES": "2"}
    line = [sys.executable, "-m", "stages.trouble", "none"]
    run = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert (run.returncode, run.stderr.count("Traceback")) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "last"),
    [
        ("bad input", "error: maps.h5 has no maps; make some"),
        ("bad input everywhere", "error: maps.h5 has no maps; make some"),
        ("kill", "error: process 1 of 2 was killed by SIGKILL, and the others were stopped; run"),
        ("bug", "error: process 1 of 2 failed as shown above, and the others were stopped; run"),
    ],
)
def test_several_processes_fail_together_and_say_why_once(tmp_path: Path, trouble: str, last: str) -> None:
    stage = in_trouble(tmp_path, with_stage(tmp_path) | {"MASKCONTRAST_PROCESSES": "2"}, trouble)
    stage.join(600)
    *shown, said = (tmp_path / "said.txt").read_text().splitlines()
    assert stage.exitcode == 1
    assert said.startswith(last)
    tracebacks = [line for line in shown if line.endswith("Traceback (most recent call last):")]
    assert len(tracebacks) == (trouble == "bug")


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["kill", "silence"])
def test_a_machine_whose_partner_is_gone_says_so_in_one_sentence(tmp_path: Path, trouble: str) -> None:
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "PATIENCE": "0.4"}
    environment, line = with_stage(tmp_path) | meeting, [sys.executable, "-m", "stages.trouble", trouble]
    gone = in_trouble(tmp_path, environment | {"RANK": "1"}, trouble)
    left = subprocess.run(line, cwd=tmp_path, env=environment | {"RANK": "0"}, stderr=PIPE, text=True, timeout=300)
    (sentence,) = left.stderr.splitlines()
    gone.kill()
    gone.join()
    assert (tmp_path / "said.txt").read_text() == ""
    assert left.returncode == 1
    assert sentence.startswith("error: another process of this stage has died or does not answer (")
    assert sentence.endswith("); run the stage again, it goes on from its last checkpoint")


@pytest.mark.parametrize("wanted", ["two", "0", "-1"])
def test_a_number_of_processes_that_is_none_is_refused(
    arguments: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wanted: str
) -> None:
    monkeypatch.setenv("MASKCONTRAST_PROCESSES", wanted)
    with pytest.raises(SystemExit) as stop:
        run_shared_stage(lambda path: None)
    assert stop.value.code == 1
    assert caplog.messages == [
        f"error: MASKCONTRAST_PROCESSES is '{wanted}'; set it to a number of processes, 1 or more"
    ]


def test_ranks_have_gpus_of_their_own_as_far_as_they_go_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASKCONTRAST_DEVICE", raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    found = []
    for local in ("0", "1", "2"):
        monkeypatch.setenv("LOCAL_RANK", local)
        found.append(str(runtime.device()))
    assert found == ["cuda:0", "cuda:1", "cuda:0"]
