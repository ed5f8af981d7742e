"""What one commit, one experiment or the workspace holds: parameters, metrics, stages as DVC locked them, and plots."""

import hashlib
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo

from pipeline.errors import InputError

WORKSPACE = "workspace"
IOU = "plots/iou_per_class.csv"
FIGURES = ("plots/overlays.png", "plots/saliency_maps.png", "plots/neighbours.png", "plots/confusion.png")


@dataclass(frozen=True)
class Stage:
    """One stage as `dvc.lock` recorded its last run: the MD5 of every file by its path, every parameter by its name.

    `stale` is whether a parameter or the code of this commit is another than in that run.
    """

    code: Mapping[str, str]
    inputs: Mapping[str, str]
    params: Mapping[str, Any]
    outs: Mapping[str, str]
    cmd: str
    stale: bool


@dataclass(frozen=True)
class Snapshot:
    """One side of a comparison. `title` is the subject of the commit; a stage that never ran is None.

    Parameters and metrics stand under their dotted names; `files` holds the plots that exist, by their paths.
    """

    name: str
    title: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    stages: Mapping[str, Stage | None]
    files: Mapping[str, bytes]

    @property
    def stale(self) -> list[str]:
        """Stages whose outputs are not those of the parameters and the code beside them."""
        return [name for name, stage in self.stages.items() if stage is None or stage.stale]


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no mapping, under its name with dots, as DVC names it."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def take(name: str) -> Snapshot:
    """The snapshot of a commit, branch, tag or experiment of the repository one stands in, or of its `workspace`.

    Raises InputError for a name that git does not know, and where there are no metrics to compare.
    """
    rev = None if name == WORKSPACE else resolve(name)
    try:
        with Repo(rev=rev) as repo:
            title = repo.scm.resolve_commit(rev).message.partition("\n")[0] if rev else "uncommitted edits included"
            shown = name[:7] if re.fullmatch("[0-9a-f]{8,40}", name) else name
            return Snapshot(shown, title, _params(repo), _metrics(repo, name), _stages(repo), _files(repo))
    except NotDvcRepoError:
        raise InputError(f"{Path.cwd()} is no repository of DVC; run from the root of the repository") from None
    except DvcException as error:
        problem = str(error).partition("\n")[0]
        raise InputError(f"DVC cannot read {name}: {problem}; compare commits that `dvc status` can read") from None


def resolve(name: str) -> str:
    """The hash of the commit that is meant, that of an experiment by its name; InputError when there is none."""
    commands = (
        ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"),
        ("for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name or '?'}"),
    )
    for command in commands:
        found = subprocess.run(["git", *command], capture_output=True, text=True).stdout.split()
        if len(found) == 1:
            return found[0]
    raise InputError(
        f"{name!r} is no commit, branch, tag or experiment here; `git log --oneline` and `dvc exp list` show them"
    )


def _params(repo: Repo) -> dict[str, Any]:
    files = _of_one_revision(repo.params.show())
    return {name: value for file in files.values() for name, value in flat(file.get("data", {}))}


def _metrics(repo: Repo, name: str) -> dict[str, Any]:
    files = _of_one_revision(repo.metrics.show())
    for path, file in files.items():
        if "error" in file and not isinstance(file["error"], FileNotFoundError):
            problem = str(file["error"]).partition("\n")[0]
            raise InputError(f"{path} of {name} is unreadable ({problem}); `dvc repro` writes it anew")
    found = {metric: value for file in files.values() for metric, value in flat(file.get("data", {}))}
    if not found:
        raise InputError(f"{name} holds no metrics; run `dvc repro` there and commit metrics/summary.json")
    return found


def _of_one_revision(by_revision: Mapping[str, Any]) -> Mapping[str, Any]:
    """Files with their contents or errors, of what DVC shows for the one revision that was opened."""
    return next(iter(by_revision.values()), {}).get("data", {})


def _files(repo: Repo) -> dict[str, bytes]:
    paths = {path: repo.fs.join(repo.root_dir, path) for path in (IOU, *FIGURES)}
    return {path: repo.fs.cat_file(place) for path, place in paths.items() if repo.fs.isfile(place)}


def _stages(repo: Repo) -> dict[str, Stage | None]:
    @cache
    def digest(path: str) -> str:
        place = repo.fs.join(repo.root_dir, path)
        # As DVC 3 hashes a file: byte by byte as it is.
        return hashlib.md5(repo.fs.cat_file(place)).hexdigest() if repo.fs.isfile(place) else ""

    return {stage.addressing.rpartition(":")[2]: _stage(stage, digest) for stage in repo.index.stages if stage.cmd}


def _stage(stage: Any, digest: Any) -> Stage | None:
    """The stage with what DVC read of it in `dvc.lock`; None where that knows of no run."""
    outs = {out.def_path: out.hash_info.value for out in stage.outs}
    if None in outs.values():
        return None
    params = [dep for dep in stage.deps if hasattr(dep, "params")]
    files = {dep.def_path: dep.hash_info.value for dep in stage.deps if not hasattr(dep, "params")}
    code = {path: value for path, value in files.items() if path.endswith(".py")}
    locked = dict(flat({key: value for dep in params for key, value in (dep.hash_info.value or {}).items()}))
    current = dict(flat({key: value for dep in params for key, value in dep.read_params().items()}))
    stale = stage.cmd_changed or locked != current or any(digest(path) != value for path, value in code.items())
    inputs = {path: value for path, value in files.items() if path not in code}
    return Stage(code, inputs, locked, outs, stage.cmd, stale)
