"""The graph as it stands in dvc.yaml, its stages replaced by ones that take no time: for what is DVC's part alone."""

import json
from collections.abc import Collection
from pathlib import Path

from ruamel.yaml import YAML

from tests.clones import clone, commit, repro
from tests.dag_graph import Graph, load_graph

STUB = '''"""Writes every output that does not exist, a hash of the stage's parameters and of all that it reads."""

import hashlib
import json
import re
import sys
from pathlib import Path

name, made = Path(__file__).stem, json.loads(Path("stages/made.json").read_text())
section = re.search(rf"^{name}:.*?(?=^[a-z]|\\Z)", Path("params.yaml").read_text(), re.MULTILINE | re.DOTALL)
paths = [Path(word) for word in sys.argv[1:] if "/" in word or word in ("results", "plots")]
digest = hashlib.sha256(repr((name, sys.argv[1:], section.group())).encode())
for path in sorted(file for path in paths if path.exists() for file in [path, *path.rglob("*")] if file.is_file()):
    digest.update(path.read_bytes())
for path in (Path(file) for out in paths if not out.exists() for file in made[str(out)]):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({path.name: int(digest.hexdigest()[:6], 16)}))
'''


def finished_stub(folder: Path) -> Path:
    """A clone whose stages are stubs, after its first run, with everything committed."""
    graph = replace_stages(clone(folder))
    assert repro(folder) == {stage.name for stage in graph.stages}
    commit(folder, "Run the stubs")
    return folder


def replace_stages(folder: Path, kept: Collection[str] = ()) -> Graph:
    """Make all stages of a clone stubs but those `kept`; returns its graph under its own parameters."""
    graph = load_graph(folder, "params.yaml")
    for path in (folder / "stages").glob("[a-z]*.py"):
        if path.stem not in kept:
            path.write_text(STUB)
    (folder / "stages" / "__init__.py").write_text("")  # what it loads takes longer than all of a stub
    _drop_code(folder / "dvc.yaml")
    (folder / "stages" / "made.json").write_text(json.dumps(_files_made(graph)))
    return graph


def _drop_code(path: Path) -> None:
    """Leave the stages no dependencies on code, which the stubs do not import; reading them is most of DVC's time."""
    content = YAML(typ="safe").load(path)
    for entry in content["stages"].values():
        stage = entry.get("do", entry)
        stage["deps"] = [dep for dep in stage.get("deps", []) if not dep.startswith("pipeline/")]
    YAML().dump(content, path)


def _files_made(graph: Graph) -> dict[str, list[str]]:
    """The files to write for every output: itself, or, for a folder, whatever is read from inside of it."""
    read = {dep for stage in graph.stages for dep in stage.deps}
    outs = {out for stage in graph.stages for out in stage.outs}
    return {out: [_file(path) for path in read if path.startswith(f"{out}/")] or [_file(out)] for out in outs}


def _file(path: str) -> str:
    return path if path.endswith((".h5", ".pt", ".txt", ".json")) else f"{path}/made.json"
