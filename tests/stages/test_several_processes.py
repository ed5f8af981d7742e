"""Stages in several processes: on one machine, with one that dies, and on two machines."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stages.tiny_runs import (
    EMBED,
    ENVIRONMENT,
    PREDICT,
    PRETRAIN,
    ROOT,
    Launch,
    Rank,
    Run,
    free_port,
    saves,
    start,
    written,
)

pytestmark = pytest.mark.slow

ADDRESSES = ("10.213.77.1", "10.213.77.2")


def launched(run: Run, folder: Path) -> tuple[int | None, str]:
    """The exit status of a stage in two processes, and what it said."""
    stage = start(Launch(run, 2), folder)
    stage.join()
    return stage.exitcode, (folder / "said.txt").read_text()


# Of the 12 images that are embedded, a batch of 11 leaves one for the second process.
@pytest.mark.parametrize("run", [PREDICT, EMBED], ids=lambda run: run.stage)
def test_two_processes_write_the_same_bytes_as_one(run: Run, folder: Path, tmp_path: Path) -> None:
    one = start(run, alone := shutil.copytree(folder, tmp_path / "alone"))
    one.join()
    assert one.exitcode == 0
    status, said = launched(run, folder)
    assert status == 0, said
    assert written(folder) == written(alone)
    assert written(folder)


def test_bad_input_of_one_of_two_processes_is_one_sentence(folder: Path) -> None:
    (folder / "basnet.pt").write_bytes(b"")
    status, said = launched(PREDICT, folder)
    assert "error: basnet.pt is damaged" in said
    assert status == 1
    assert not (folder / "out").exists()


def pretrained_by_two(folder: Path) -> dict[str, bytes]:
    """What two processes that nothing disturbs write."""
    port = free_port()
    ranks = [start(Rank(PRETRAIN, rank, 2, port), folder) for rank in range(2)]
    for rank in ranks:
        rank.join()
    assert [rank.exitcode for rank in ranks] == [0, 0]
    return written(folder)


def process_of_rank(rank: int, folder: Path) -> int:
    """The number of the process that has this rank among those which run a stage in `folder`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
            if f"RANK={rank}".encode() in variables and (process / "cwd").resolve() == folder:
                return int(process.name)
        except OSError:
            continue
    raise AssertionError(f"no process has rank {rank}")


def test_a_dead_process_ends_pretraining_with_one_sentence_and_nothing_is_lost(folder: Path, tmp_path: Path) -> None:
    expected = pretrained_by_two(shutil.copytree(folder, tmp_path / "undisturbed"))
    stage = start(Launch(PRETRAIN, 2), folder)
    while not saves(folder):
        assert stage.is_alive()
        time.sleep(0.002)
    os.kill(process_of_rank(1, folder), signal.SIGKILL)
    stage.join()
    _, *errors = (folder / "said.txt").read_text().split("error: ")
    assert stage.exitcode == 1
    assert len(errors) == 1
    assert errors[0].startswith(
        "process 1 of 2 was killed by SIGKILL, and the others were stopped; run the stage again"
    )
    status, said = launched(PRETRAIN, folder)
    assert status == 0, said
    assert "pretrain: resumes after epoch" in said
    assert written(folder) == expected


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """Two network namespaces with a cable between them."""
    names, made = [f"maskcontrast-{os.getpid()}-{i}" for i in range(2)], []
    try:
        for name in names:
            ip("netns", "add", name)
            made.append(name)
        ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns", names[1])
        for name, address in zip(names, ADDRESSES, strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            for device in ("lo", "cable"):
                ip("-n", name, "link", "set", device, "up")
        yield names
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"network namespaces cannot be made here: {getattr(error, 'stderr', error)}")
    finally:
        for name in made:
            ip("netns", "delete", name)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def test_two_machines_pretrain_as_two_processes_of_one_do(folder: Path, tmp_path: Path, hosts: list[str]) -> None:
    expected = pretrained_by_two(shutil.copytree(folder, tmp_path / "one_machine"))
    environment = os.environ | ENVIRONMENT | {"GLOO_SOCKET_IFNAME": "cable", "PYTHONPATH": str(ROOT)}
    machines = []
    for i, host in enumerate(hosts):
        meeting = [f"--master-addr={ADDRESSES[0]}", "--master-port=29511", "--nnodes=2", f"--node-rank={i}"]
        launch = [sys.executable, "-m", "torch.distributed.run", *meeting, "--nproc-per-node=1"]
        line = ["ip", "netns", "exec", host, *launch, "-m", f"stages.{PRETRAIN.stage}", *PRETRAIN.arguments]
        machines.append(subprocess.Popen(line, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True))
    said = [machine.communicate(timeout=300)[1] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], said
    assert written(folder) == expected
