import os

import pytest

from pipeline.errors import InputError
from pipeline.runtime import device, process_pool, run_stage, workers


def test_bad_input_ends_a_stage_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def main() -> None:
        raise InputError("image 7 is empty; remove it")

    monkeypatch.setattr("sys.argv", ["stage"])
    with pytest.raises(SystemExit) as stop:
        run_stage(main)
    assert stop.value.code == 1
    assert caplog.messages == ["error: image 7 is empty; remove it"]


def test_device_and_workers_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKCONTRAST_DEVICE", "cpu")
    monkeypatch.setenv("MASKCONTRAST_WORKERS", "3")
    assert device().type == "cpu"
    assert workers() == 3


def test_a_small_machine_loads_in_the_main_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASKCONTRAST_WORKERS", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert workers() == 0


def test_pool_processes_have_one_thread_and_leave_this_process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKCONTRAST_WORKERS", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with process_pool("pipeline.errors") as pool:
        assert list(pool.map(os.getenv, ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"])) == ["1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "7"
