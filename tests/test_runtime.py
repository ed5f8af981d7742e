import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from torch.utils.data import DataLoader, Dataset

from pipeline.errors import InputError
from pipeline.runtime import cache_bytes, device, environment, process_pool, run_stage, workers
from tests.clones import ROOT


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


HOLDER = """
import os
from pipeline import runtime
os.environ["DVC_STAGE"] = "dvc.yaml:draw"
with runtime._alone():
    print(os.getpid(), flush=True)
    input()
"""


def test_a_stage_that_outlived_its_dvc_is_not_joined_by_a_second_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def begin(stage: str, **variables: str) -> bool:
        monkeypatch.setenv("DVC_STAGE", stage)
        with environment(**variables), suppress(SystemExit):
            run_stage(lambda: begun.append(stage))
        return bool(begun) and begun.pop() == stage

    begun: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["stage"])
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    orphan = subprocess.Popen(
        [sys.executable, "-c", HOLDER], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert orphan.stdout is not None and orphan.stdout.readline() == f"{orphan.pid}\n"
    assert not begin("draw")
    told = f"process {orphan.pid} still runs stage draw, perhaps left by a killed `dvc`; wait until it ends, or end it"
    assert caplog.messages == [f"error: {told}"]
    assert begin("pack")
    assert begin("draw", WORLD_SIZE="2")  # a rank of the stage that holds it
    orphan.kill()
    orphan.communicate()
    assert begin("draw")


class Refusing(Dataset):
    """One image, and no reading it."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, i: int) -> None:
        raise InputError(f"image {i} is empty; remove it")


def test_bad_input_in_a_loader_process_is_the_same_one_sentence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def main() -> None:
        list(DataLoader(Refusing(), num_workers=1, multiprocessing_context="fork"))

    with pytest.raises(InputError, match="Traceback"):
        main()
    monkeypatch.setattr("sys.argv", ["stage"])
    with pytest.raises(SystemExit) as stop:
        run_stage(main)
    assert stop.value.code == 1
    assert caplog.messages == ["error: image 0 is empty; remove it"]


@pytest.mark.parametrize("wanted", ["gpu", "cuda:1", "cuda:", "CPU"])
def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setenv("MASKCONTRAST_DEVICE", wanted)
    message = f"'{wanted}' with 1 GPUs found; set it to cpu, cuda or one GPU as in cuda:0"
    with pytest.raises(InputError, match=message):
        device()


def test_gpus_that_are_there_may_be_named_and_none_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    for wanted, found in (("cuda", "cuda:0"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1")):
        monkeypatch.setenv("MASKCONTRAST_DEVICE", wanted)
        assert str(device()) == found
    # Among processes, `cuda` is the one of this process; one that is named stays.
    monkeypatch.setenv("LOCAL_RANK", "1")
    for wanted, found in (("cuda", "cuda:1"), ("cuda:0", "cuda:0")):
        monkeypatch.setenv("MASKCONTRAST_DEVICE", wanted)
        assert str(device()) == found
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(InputError, match="'cuda:0' with 0 GPUs found; set it to cpu"):
        device()


@pytest.mark.parametrize("wanted", ["two", "-1", "1.5"])
def test_a_number_of_workers_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv("MASKCONTRAST_WORKERS", wanted)
    message = f"MASKCONTRAST_WORKERS is '{wanted}'; set it to a number of processes, 0 or more"
    with pytest.raises(InputError, match=message):
        workers()
    with pytest.raises(InputError, match=message), process_pool("pipeline.errors"):
        pass


def test_device_and_workers_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKCONTRAST_DEVICE", "cpu")
    monkeypatch.setenv("MASKCONTRAST_WORKERS", "3")
    assert device().type == "cpu"
    assert workers() == 3


def test_the_cache_is_given_in_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASKCONTRAST_CACHE_MB", raising=False)
    assert cache_bytes() == 1024 * 10**6
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert cache_bytes() == 256 * 10**6
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    for wanted, found in (("0", 0), ("20", 20_000_000)):
        monkeypatch.setenv("MASKCONTRAST_CACHE_MB", wanted)
        assert cache_bytes() == found
    for wanted in ("-1", "1.5", "1GB"):
        monkeypatch.setenv("MASKCONTRAST_CACHE_MB", wanted)
        with pytest.raises(InputError, match=f"MASKCONTRAST_CACHE_MB is '{wanted}'; set it to a number of megabytes"):
            cache_bytes()


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


@pytest.mark.parametrize(
    ("given", "threads"), [({}, str(((os.cpu_count() or 1) + 1) // 2)), ({"OMP_NUM_THREADS": "7"}, "7")]
)
def test_threads_of_a_stage_are_those_of_the_environment_or_half_the_processors(given: dict, threads: str) -> None:
    told = "import os, stages; print(os.environ['OMP_NUM_THREADS'], os.environ['OMP_WAIT_POLICY'])"
    bare = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    done = subprocess.run([sys.executable, "-c", told], env=bare | given, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == [threads, "PASSIVE"], done.stderr
