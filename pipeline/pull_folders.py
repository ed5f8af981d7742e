"""`python -m pipeline.pull_folders` pulls the rest of the folders that are read as a whole, before a partial repro.

`dvc repro --pull` brings a missing file that a stage reads. Of a folder in which several stages have outputs, as
`results` is for `report`, it brings nothing: one that is there in part counts as changed, and one that is not there
stops it. This fills those of the stages that are going to run, and leaves the large files to `dvc repro`.
"""

import logging
import sys

import networkx as nx
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage import Stage

from pipeline.commands import run_command
from pipeline.errors import InputError


def pull_folders() -> list[str]:
    """Pull what the changed stages, and all that follow from them, read from folders; returns the outputs' paths.

    Raises InputError outside of a repository, and when the remote cannot give them.
    """
    try:
        with Repo() as repo:
            with repo.lock:
                outputs = outputs_in_folders(repo)
            if outputs:
                repo.pull(outputs)
    except DvcException as error:
        raise InputError(f"the folders that stages read cannot be pulled: {error}") from None
    return outputs


def outputs_in_folders(repo: Repo) -> list[str]:
    """Outputs of stages that keep theirs, in folders that a stage reads which is going to run."""
    graph = repo.index.graph
    changed = {stage for stage in graph if _is_changed(stage, graph)}
    running = changed.union(*(nx.ancestors(graph, stage) for stage in changed))
    folders = tuple(f"{dep.fs_path}/" for stage in running for dep in stage.deps)
    kept = [out for stage in graph if stage not in running for out in stage.outs]
    return sorted(out.def_path for out in kept if out.use_cache and out.fs_path.startswith(folders))


def _is_changed(stage: Stage, graph: nx.DiGraph) -> bool:
    """Whether DVC would run it, if what is missing were as it is recorded."""
    return stage.changed(allow_missing=True, upstream=list(graph.successors(stage)))


def main() -> int:
    """Pull and say how much is there; returns the exit status."""
    logging.info("%d outputs that are read by the folder are there", len(pull_folders()))
    return 0


if __name__ == "__main__":
    sys.exit(run_command("pipeline.pull_folders", __doc__, main, sys.argv[1:]))
