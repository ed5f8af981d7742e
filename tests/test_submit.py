"""Jobs handed to submitit: run by its local executor, written for Slurm, and refused."""

import fcntl
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pipeline import submit
from tests.clones import ROOT, commit
from tests.jobs import call, name_remote, remote_objects, repository, start

LINE = [sys.executable, "-m", "pipeline.submit"]


def submitted(origin: Path, *options: str, **variables: str) -> tuple[int, str]:
    """Exit status of the command line, and what it said."""
    done = call(origin, *LINE, *options, PYTHONPATH=str(ROOT), **variables)
    return done.returncode, done.stdout


def running(folder: Path, *words: str) -> psutil.Process:
    """The process that runs in `folder` with these words in its command, as soon as there is one."""
    for _ in range(6000):
        for process in psutil.process_iter(["cmdline", "cwd"]):
            if process.info["cwd"] == str(folder) and set(words) <= set(process.info["cmdline"] or []):
                return process
        time.sleep(0.1)
    raise AssertionError(f"nothing runs {words} in {folder}")


@pytest.mark.slow
def test_a_preempted_job_goes_on_where_it_was_and_its_outputs_come_back(tmp_path: Path) -> None:
    origin = repository(tmp_path, trouble="halts")
    line = start(origin, *LINE, "--executor", "local", "pretrain", PYTHONPATH=str(ROOT))
    task = running(origin, "submitit.core._submit")
    (folder,) = (origin / ".scratch" / "jobs").iterdir()
    stage = running(folder / "clone", "pretrain.py")
    while not (folder / "clone" / ".scratch" / "steps").exists():
        assert line.poll() is None
        time.sleep(0.1)
    task.send_signal(signal.SIGUSR2)  # as Slurm does before it takes the machine away
    said = line.communicate()[0]
    assert line.returncode == 0, said
    assert not stage.is_running()
    assert remote_objects(origin) == {"images", "step 1, step 2"}
    back = call(origin, "dvc", "repro", "--pull", "--allow-missing", "pretrain")
    assert back.returncode == 0 and "Running stage" not in back.stdout, back.stdout
    assert (origin / "model.txt").read_text() == "step 1, step 2"


def test_a_job_that_fails_is_told_of(tmp_path: Path) -> None:
    origin = repository(tmp_path)
    clone = origin / ".scratch" / "jobs" / f"{call(origin, 'git', 'rev-parse', 'HEAD').stdout[:12]}-pretrain" / "clone"
    clone.mkdir(parents=True)
    with clone.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, said = submitted(origin, "--executor", "local", "pretrain")
    assert status == 1
    assert said.endswith("error: the job has failed; the log tells why\n")
    (log,) = (clone.parent / "logs").glob("*.out")
    assert f"log {log}" in said
    assert f"error: another job is at work in {clone}" in log.read_text()


def fake_slurm(folder: Path) -> str:
    """A PATH on which Slurm's commands do nothing; `sbatch` takes every job as number 7."""
    for name in ("srun", "sbatch"):
        (folder / name).write_text("#!/bin/sh\necho Submitted batch job 7\n")
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_slurm_is_asked_for_what_the_options_say(tmp_path: Path) -> None:
    origin = repository(tmp_path)
    options = ["--partition", "gpu", "--gpus", "4", "--hours", "12", "--slurm", "account=vision", "embed", "pretrain"]
    status, said = submitted(origin, *options, PATH=fake_slurm(tmp_path))
    assert status == 0, said
    (logs,) = (origin / ".scratch" / "jobs").glob("*-embed-pretrain/logs")
    assert said.startswith(f"job 7, log {logs}/7_0_log.out\n")
    asked = set(re.findall(r"^#SBATCH --(.+)$", (logs / "7_submission.sh").read_text(), re.MULTILINE))
    assert asked >= {
        *("partition=gpu", "gpus-per-node=4", "cpus-per-task=8", "time=720", "account=vision", "requeue"),
        *("signal=USR2@90", "job-name=maskcontrast-embed-pretrain", "open-mode=append"),
    }


def test_the_documented_line_and_options_are_those_of_the_command(capsys: pytest.CaptureFixture) -> None:
    text = (ROOT / "docs" / "machines.md").read_text()
    line = re.search(r"python -m pipeline.submit (--.+)", text)
    options = vars(submit._options(line.group(1).split()))  # type: ignore[union-attr]
    assert options["slurm"] == [("partition", "gpu")]
    assert (options["gpus"], options["hours"], options["targets"]) == (4, 12.0, ["pretrain"])
    with pytest.raises(SystemExit):
        submit.main(["--help"])
    assert set(re.findall(r"`(--\w+)", text.split("## Slurm")[1].split("## Machines")[0])) == set(
        re.findall(r"^  (--\w+)", capsys.readouterr().out, re.MULTILINE)
    )


def test_the_environment_of_a_job_leaves_to_the_user_what_the_user_has_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MASKCONTRAST_WORKERS", raising=False)
    monkeypatch.delenv("MASKCONTRAST_PROCESSES", raising=False)
    environment = submit.Job("", (), processes=4, cores=2).environment()
    assert environment["PATH"].startswith(f"{Path(sys.executable).parent}{os.pathsep}")
    assert [environment[f"MASKCONTRAST_{name}"] for name in ("PROCESSES", "WORKERS")] == ["4", "2"]
    assert environment["OMP_NUM_THREADS"] == "3"


def forget_remote(origin: Path) -> None:
    (origin / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    commit(origin, "Forget the remote")


def near_remote(origin: Path) -> None:
    name_remote(origin, "../../remote")
    commit(origin, "Name the remote by its way from here")


def break_graph(origin: Path) -> None:
    (origin / "dvc.yaml").write_text("stages: [")
    commit(origin, "Break the graph")


@pytest.mark.parametrize(
    ("spoil", "options", "problem"),
    [
        (lambda origin: (origin / "new.py").touch(), [], "new.py is not committed; commit it"),
        (lambda origin: (origin / "images.txt").write_text("more"), [], "images.txt is not committed; commit it"),
        (forget_remote, [], "no remote is configured to send the outputs to; add one: dvc remote add --default"),
        (near_remote, [], "the remote store is a relative path, another place for every clone; make it {remote}"),
        (lambda origin: None, ["pretrian"], "there is no stage pretrian; the stages are embed, masks, pretrain"),
        (lambda origin: None, ["--hours", "0"], "--hours is 0.0; give 0.1 or more"),
        (lambda origin: None, ["--gpus", "-1"], "--gpus is -1; give 0 or more"),
        (break_graph, [], "unable to read: 'dvc.yaml', YAML file structure is corrupted"),
        (lambda origin: None, [], 'Could not detect "srun", are you indeed on a slurm cluster? Submit from a machine'),
    ],
)
def test_what_would_be_in_vain_is_refused(
    spoil: Callable[[Path], object],
    options: list[str],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    origin = repository(tmp_path)
    spoil(origin)
    monkeypatch.chdir(origin)
    assert submit.main(options) == 1
    assert caplog.messages[-1].startswith("error: " + problem.format(remote=tmp_path / "remote"))
    assert "\n" not in caplog.messages[-1]
    assert not (origin / ".scratch").exists()


def test_another_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    origin = repository(tmp_path)
    monkeypatch.chdir(origin / ".dvc")
    assert submit.main([]) == 1
    monkeypatch.chdir(tmp_path)
    assert submit.main([]) == 1
    assert "has no dvc.yaml; run from the root of the repository" in caplog.messages[0]
    assert "not a git repository" in caplog.messages[1]


def test_without_submitit_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert submit.main([]) == 1
    assert caplog.messages == ["error: submitit is not installed; it comes with the extra slurm (docs/machines.md)"]
