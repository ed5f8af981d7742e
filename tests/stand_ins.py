"""A graph that counts as finished, although nothing was computed: every input and output is a small file."""

import shutil
from pathlib import Path

from dvc.repo import Repo

from tests.dag_graph import ROOT, Graph


def finished_graph(folder: Path, graph: Graph) -> Repo:
    """The sample's graph in `folder`, its sources as they are here; all stages are recorded in dvc.lock."""
    shutil.copy(ROOT / "dvc.yaml", folder)
    shutil.copy(ROOT / "profiles" / "sample.yaml", folder / "params.yaml")
    for path, text in graph.sources.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for path in {path for stage in graph.stages for path in (*stage.deps, *stage.outs)}:
        file = folder / path if Path(path).suffix else folder / path / "content"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(path)
    repo = Repo.init(str(folder), no_scm=True)
    repo.commit(force=True)
    return repo
