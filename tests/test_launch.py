import os
from pathlib import Path

import pytest

from pipeline import runtime
from pipeline.launch import processes, rank, run_shared_stage, wait_for_all


class Started(BaseException):
    """Stands in for the program that takes this one's place."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines of programs that took this one's place."""
    lines: list[list[str]] = []

    def execv(program: str, line: list[str]) -> None:
        lines.append(line)
        raise Started

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr("sys.argv", ["/somewhere/stages/predict_saliency.py", "in.h5"])
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    return lines


def test_one_process_runs_the_stage_itself(started: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKCONTRAST_PROCESSES", "1")
    seen = []

    def main(path: Path) -> None:
        seen.append(path)

    with pytest.raises(SystemExit) as stop:
        run_shared_stage(main)
    assert (stop.value.code, seen, started) == (0, [Path("in.h5")], [])
    assert (rank(), processes()) == (0, 1)
    wait_for_all()


def test_more_are_started_by_torchrun_with_the_same_arguments(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKCONTRAST_PROCESSES", "3")

    def main(path: Path) -> None:
        raise AssertionError("the stage itself does not run here")

    with pytest.raises(Started):
        run_shared_stage(main)
    assert started[0][-3:] == ["--module", "stages.predict_saliency", "in.h5"]
    assert "--nproc-per-node=3" in started[0]


@pytest.mark.parametrize("wanted", ["two", "0", "-1"])
def test_a_number_of_processes_that_is_none_is_refused(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wanted: str
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
