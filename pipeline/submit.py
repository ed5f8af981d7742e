"""`python -m pipeline.submit --partition gpu --gpus 4 --hours 12 pretrain` runs stages on a cluster, as one job.

The job is docs/job.sh: a clone of the commit that is checked out, `dvc repro` of the targets with what the remote has,
`dvc push` of the rest. Clone and logs lie in `.scratch/jobs/<commit>-<targets>`, so the repository has to be on a disk
that the machines of the cluster share. A job that is preempted, or whose time is up, is queued again and goes on there.
"""

import argparse
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError

SCRIPT = Path(__file__).parents[1] / "docs" / "job.sh"
GRACE = 20.0  # seconds in which interrupted stages may end, of the 90 (locally 30) that a job has


@dataclass(frozen=True)
class Job:
    """The script and its arguments, run by submitit on a machine of the cluster, and again after an interruption.

    The text of the script, since the file may have changed by then. Each of `processes` may use `cores` cores.
    """

    script: str
    arguments: tuple[str, ...]
    processes: int
    cores: int

    def __call__(self) -> None:
        """Run it to its end; RuntimeError when it fails."""
        process = subprocess.Popen(
            ["bash", "-c", self.script, "job.sh", *self.arguments], env=self.environment(), start_new_session=True
        )
        try:
            status = process.wait()
        finally:  # an interruption leaves as SystemExit
            _stop(process)
        if status:
            raise RuntimeError(f"job.sh ended with status {status}, as told above; the same call goes on from there")

    def environment(self) -> dict[str, str]:
        """That of the submission, with this Python first, and what it leaves open about the size of the job."""
        size = {"MASKCONTRAST_PROCESSES": self.processes, "MASKCONTRAST_WORKERS": self.cores}
        size |= {"OMP_NUM_THREADS": self.cores, "OMP_WAIT_POLICY": "PASSIVE"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {key: str(value) for key, value in size.items()} | os.environ | {"PATH": path}

    def checkpoint(self) -> Any:
        """What is queued again: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _stop(process: subprocess.Popen) -> None:
    """End a process and all that it has started, by force if it takes long."""
    patience = time.monotonic() + GRACE
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        while time.monotonic() < patience:
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)


def committed() -> str:
    """The hash of the commit that is checked out; InputError when there is none, or anything is not in it."""
    changed = _git("status", "--porcelain").splitlines()
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise InputError(f"{changed[0][3:]}{more} is not committed; commit it, since the job clones the commit")
    return _git("rev-parse", "--verify", "HEAD").strip()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"git {shlex.join(arguments)}: {done.stderr.strip()}; run from a repository with a commit")
    return done.stdout


def require_graph(targets: Sequence[str]) -> None:
    """InputError where the job would fail or be in vain: no such stage, no remote, or one that a clone cannot find."""
    from dvc.config_schema import RelPath
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    if not Path("dvc.yaml").exists():
        raise InputError(f"{Path.cwd()} has no dvc.yaml; run from the root of the repository")
    try:
        with Repo() as repo:
            name = repo.config["core"].get("remote")
            url = repo.config["remote"].get(name, {}).get("url")
            stages = {str(stage.name) for stage in repo.index.stages if isinstance(stage, PipelineStage)}
    except DvcException as error:
        raise InputError(f"{error}; `dvc status` says more") from None
    if not url:
        raise InputError("no remote is configured to send the outputs to; add one: dvc remote add --default NAME URL")
    if isinstance(url, RelPath):
        raise InputError(f"the remote {name} is a relative path, another place for every clone; make it {url}")
    known = sorted(stages | {stage.partition("@")[0] for stage in stages})
    for target in targets:
        if target not in known:
            raise InputError(f"there is no stage {target}; the stages are {', '.join(known)}")


def submit(options: argparse.Namespace) -> Any:
    """Check what can be checked, and hand the job to submitit; returns submitit's job."""
    submitit = _submitit()
    for name, least in (("gpus", 0), ("cpus", 1), ("hours", 0.1)):
        if getattr(options, name) < least:
            raise InputError(f"--{name} is {getattr(options, name)}; give {least} or more")
    commit = committed()
    require_graph(options.targets)
    name = "-".join([commit[:12], *(re.sub(r"[^\w.]", "-", target) for target in options.targets or ["all"])])
    folder = (Path(".scratch") / "jobs" / name).absolute()
    processes = max(1, options.gpus)
    arguments = (str(Path.cwd()), commit, str(folder / "clone"), *options.targets)
    job = Job(SCRIPT.read_text(), arguments, processes, max(1, options.cpus // processes))
    return _hand_over(job, options, folder / "logs", submitit)


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        raise InputError("submitit is not installed; it comes with the extra slurm (docs/machines.md)") from None
    return submitit


def _hand_over(job: Job, options: argparse.Namespace, logs: Path, submitit: Any) -> Any:
    try:
        executor = submitit.AutoExecutor(logs, cluster=options.executor)
        executor.update_parameters(
            name="-".join(["maskcontrast", *options.targets]),
            timeout_min=round(60 * options.hours),
            gpus_per_node=options.gpus,
            cpus_per_task=options.cpus,
            stderr_to_stdout=True,
            slurm_additional_parameters={"requeue": True} | dict(options.slurm),
        )
        with submitit.helpers.clean_env():  # in a job that submits another
            return executor.submit(job)
    except RuntimeError as error:
        told = " ".join(str(error).split())
        raise InputError(f"{told} Submit from a machine of the cluster, or run here by --executor local") from None


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    return key, value


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.submit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="stages; without one the whole graph")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs of one machine, a process for each (default 0)")
    parser.add_argument("--cpus", type=int, default=8, help="cores (default 8)")
    parser.add_argument("--hours", type=float, default=24, help="after these it is queued again, 3 times (default 24)")
    parser.add_argument("--partition", help="of Slurm")
    parser.add_argument("--slurm", type=_pair, action="append", default=[], metavar="KEY=VALUE", help="more for sbatch")
    parser.add_argument("--executor", choices=["slurm", "local"], default="slurm", help="local: here, and wait for it")
    options = parser.parse_args(arguments)
    options.slurm += [("partition", options.partition)] if options.partition else []
    return options


def main(arguments: list[str]) -> int:
    """Command line; the exit status is 1 for bad input, and for a job on this machine that failed."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = _options(arguments)
    try:
        job = submit(options)
    except InputError as error:
        logging.error("error: %s", error)
        return 1
    logging.info("job %s, log %s", job.job_id, job.paths.stdout)
    logging.info("when it has ended: dvc repro --pull --allow-missing %s", shlex.join(options.targets))
    if options.executor == "local" and job.exception():
        logging.error("error: the job has failed; the log tells why")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
