"""The graph that the laws speak about: stages as DVC resolves them, and the sources that they run."""

import ast
import re
import shutil
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Stage:
    """One resolved stage of dvc.yaml; `outs` maps every output to whether DVC caches it."""

    name: str
    cmd: str
    deps: tuple[str, ...]
    outs: dict[str, bool]
    params: tuple[str, ...]
    persists: bool = False

    @property
    def base(self) -> str:
        """The name without its item."""
        return self.name.partition("@")[0]

    @property
    def item(self) -> str:
        """What a repeated stage is about here; empty for any other."""
        return self.name.partition("@")[2]

    @property
    def module(self) -> str:
        """What stands after `python -m`; empty when the command is of another form."""
        found = re.match(r"python -m (\S+)", self.cmd)
        return found.group(1) if found else ""

    @property
    def code(self) -> set[str]:
        """Dependencies that are first-party modules."""
        return {dep for dep in self.deps if dep.endswith(".py")}


@dataclass(frozen=True)
class Graph:
    """All stages, with the source of every first-party module by its path."""

    stages: tuple[Stage, ...]
    sources: dict[str, str]

    def changed(self, name: str, **fields: object) -> "Graph":
        """The same graph with one stage changed; for showing that a law notices."""
        return replace(self, stages=tuple(replace(s, **fields) if s.name == name else s for s in self.stages))  # type: ignore[arg-type]

    def with_source(self, path: str, text: str) -> "Graph":
        """The same graph with another source of one module."""
        return replace(self, sources=self.sources | {path: text})

    def __getitem__(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)


def load_graph(root: Path = ROOT, params: str = "profiles/sample.yaml") -> Graph:
    """The graph as DVC itself resolves it, items expanded: of the sample, whatever params.yaml holds now."""
    from dvc.repo import Repo

    with TemporaryDirectory() as folder:
        shutil.copy(root / "dvc.yaml", folder)
        shutil.copy(root / params, Path(folder) / "params.yaml")
        (Path(folder) / ".dvc").mkdir()  # a repository of its own, also where temporary folders lie in another
        with Repo(folder, uninitialized=True) as repo:
            stages = tuple(_stage(stage) for stage in repo.index.stages)
    paths = [path for folder in ("pipeline", "stages") for path in sorted((root / folder).rglob("*.py"))]
    return Graph(stages, {path.relative_to(root).as_posix(): path.read_text() for path in paths})


def _stage(stage) -> Stage:
    files = tuple(dep.def_path for dep in stage.deps if not hasattr(dep, "params"))
    params = tuple(name for dep in stage.deps if hasattr(dep, "params") for name in dep.params)
    outs = {out.def_path.rstrip("/"): out.use_cache for out in stage.outs}
    return Stage(stage.name, stage.cmd, files, outs, params, any(out.persist for out in stage.outs))


def overlap(one: str, other: str) -> bool:
    """Whether two paths are the same, or one lies in the other."""
    one, other = f"{one.rstrip('/')}/", f"{other.rstrip('/')}/"
    return one.startswith(other) or other.startswith(one)


@cache
def imports(text: str) -> frozenset[str]:
    """Modules that a source imports anywhere, as dotted names; `from a import b` gives a and a.b."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def closure(module: str, sources: dict[str, str]) -> set[str]:
    """Paths of every first-party module that `python -m module` loads, empty `__init__.py` files left out."""
    waiting, seen = {module}, set()
    while waiting:
        path = waiting.pop().replace(".", "/") + ".py"
        if path in sources and path not in seen:
            seen.add(path)
            waiting |= imports(sources[path])
    return seen
