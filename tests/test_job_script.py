"""docs/job.sh, run for real on a small graph: clone, pull, repro, push."""

import fcntl
import json
import os
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.clones import ROOT, commit
from tests.jobs import call, remote_objects, repository

SCRIPT = ROOT / "docs" / "job.sh"
DONE = "step 1, step 2"


def job(origin: Path, folder: str, *targets: str, at: str = "HEAD", **variables: str) -> tuple[int, str, set[str]]:
    """Exit status, what was said, and which stages ran."""
    done = call(origin.parent, SCRIPT, origin, at, origin.parent / folder, *targets, **variables)
    return done.returncode, done.stdout, set(re.findall(r"^Running stage '(.+)':$", done.stdout, re.MULTILINE))


@pytest.mark.slow
def test_what_one_job_has_made_no_other_makes_again(tmp_path: Path) -> None:
    origin = repository(tmp_path)
    status, said, ran = job(origin, "one", "pretrain", DVC_ROOT=str(tmp_path / "elsewhere"))
    assert (status, ran) == (0, {"masks", "pretrain"}), said
    assert remote_objects(origin) == {"images", DONE}
    assert (tmp_path / "one" / ".scratch" / "steps").exists() and not (tmp_path / "elsewhere").exists()
    status, said, ran = job(origin, "two")
    assert (status, ran) == (0, {"embed"}), said
    assert (tmp_path / "two" / "embeddings.txt").read_text() == DONE
    assert call(origin, "git", "status", "--porcelain").stdout == ""


@pytest.mark.slow
def test_a_job_that_failed_has_sent_what_was_finished_and_goes_on_in_its_folder(tmp_path: Path) -> None:
    origin = repository(tmp_path, trouble="fails")
    # The remote is one that only this user has access to, which git does not know of.
    (origin / ".dvc" / "config").rename(origin / ".dvc" / "config.local")
    (origin / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    commit(origin, "Keep the remote to oneself")
    status, said, ran = job(origin, "one")
    assert (status, ran) == (255, {"masks", "pretrain"}), said
    assert remote_objects(origin) == {"images"}
    # As a job leaves it that was killed; meanwhile another process has its number.
    busy = {"pid": os.getpid(), "cmd": "dvc repro"}
    lock = {"write": {str(tmp_path / "one" / "model.txt"): busy}, "read": {}}
    (tmp_path / "one" / ".dvc" / "tmp" / "rwlock").write_text(json.dumps(lock))
    script = tmp_path / "one" / "pretrain.py"
    script.write_text(script.read_text().replace("out of memory", "").replace("sys.exit", "print"))
    status, said, ran = job(origin, "one")
    assert (status, ran) == (0, {"pretrain", "embed"}), said


def test_two_jobs_do_not_work_in_one_folder(tmp_path: Path) -> None:
    origin = repository(tmp_path)
    with (tmp_path / "one.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert job(origin, "one")[:2] == (1, f"error: another job is at work in {tmp_path}/one; wait until it ends\n")
    assert not (tmp_path / "one").exists()


def test_a_folder_of_another_commit_is_refused(tmp_path: Path) -> None:
    origin = repository(tmp_path)
    call(tmp_path, "git", "clone", "--quiet", origin, "one")
    before = call(origin, "git", "rev-parse", "HEAD").stdout.strip()
    (origin / "images.txt").write_text("more images")
    commit(origin, "More images")
    after = call(origin, "git", "rev-parse", "HEAD").stdout.strip()
    for at in (after, "HEAD", call(origin, "git", "branch", "--show-current").stdout.strip()):
        refusal = f"error: {tmp_path}/one holds commit {before}, not {at}; name another folder\n"
        assert job(origin, "one", at=at)[:2] == (1, refusal)


def test_a_commit_that_is_not_there_is_refused(tmp_path: Path) -> None:
    origin = repository(tmp_path)
    for at in ("0123456", "nobodys_branch"):
        status, said, _ = job(origin, "one", at=at)
        assert status == 1
        assert said.endswith(f"error: {origin} has no commit, branch or tag {at}; name one that is there\n")
        assert not (tmp_path / "one").exists()


def test_without_a_remote_nothing_is_run(tmp_path: Path) -> None:
    origin = repository(tmp_path)
    (origin / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    commit(origin, "Forget the remote")
    status, said, ran = job(origin, "one")
    assert (status, ran) == (1, set())
    assert said.startswith("error: no remote is configured")


def test_arguments_that_are_missing_are_asked_for(tmp_path: Path) -> None:
    done = call(tmp_path, SCRIPT, "somewhere")
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)
    assert done.stdout.startswith("error: give a repository, a commit and a folder")


def test_the_documented_task_starts_a_job_of_this_script() -> None:
    example = re.search(r"```yaml\n(.+?)```", (ROOT / "docs" / "machines.md").read_text(), re.DOTALL)
    task = YAML(typ="safe").load(example.group(1))  # type: ignore[union-attr]
    stub = "source() { :; }; docs/job.sh() { printf '%s\\n' \"$@\"; }\n"
    given = {**task["envs"], "SKYPILOT_NUM_GPUS_PER_NODE": "4"}
    said = call(ROOT, "bash", "-euc", stub + task["run"], **given).stdout
    assert said.split() == [task["envs"]["REPOSITORY"], "1a2b3c4", "/jobs/1a2b3c4", "pretrain"]
    assert list(task["volumes"]) == ["/jobs"]
