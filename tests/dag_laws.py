"""The laws of the graph as plain functions: each takes the graph and returns the violations it found.

`tests/test_dag.py` asserts that there are none, and that every law speaks up when it is broken.
"""

import ast
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pipeline.params import Params, Section

ROOT = Path(__file__).parents[1]
# A change in these cannot change a result: they check parameters, show progress, choose the device.
INTERFACE_ONLY = {"pipeline/params.py", "pipeline/runtime.py", "pipeline/progress.py", "pipeline/errors.py"}
INTERFACE_ONLY |= {f"pipeline/sections/{name}.py" for name in ("section", "data", "saliency", "contrast", "evaluation")}
LABEL_READERS = {"match_clusters", "retrieve", "probe_linear", "finetune", "score_saliency", "report"}
ROOMS = {"priors", "pseudolabels", "masks", "contrast", "segmentation", "report"}
SHARED_PARAMS = ("base.", "sweep")


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
        """The name without its matrix item."""
        return self.name.partition("@")[0]

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


def load_graph(root: Path = ROOT) -> Graph:
    """The graph as DVC itself resolves it, matrix expanded."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        stages = tuple(_stage(stage) for stage in repo.index.stages)
    paths = [path for folder in ("pipeline", "stages") for path in sorted((root / folder).rglob("*.py"))]
    return Graph(stages, {path.relative_to(root).as_posix(): path.read_text() for path in paths})


def _stage(stage) -> Stage:
    files = tuple(dep.def_path for dep in stage.deps if not hasattr(dep, "params"))
    params = tuple(name for dep in stage.deps if hasattr(dep, "params") for name in dep.params)
    outs = {out.def_path.rstrip("/"): out.use_cache for out in stage.outs}
    return Stage(stage.name, stage.cmd, files, outs, params, any(out.persist for out in stage.outs))


def imports(text: str) -> set[str]:
    """First-party modules that a source imports anywhere, as dotted names; `from a import b` gives a and a.b."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("pipeline", "stages")}


@cache
def _imports_cached(text: str) -> frozenset[str]:
    return frozenset(imports(text))


def closure(module: str, sources: dict[str, str]) -> set[str]:
    """Paths of every first-party module that `python -m module` loads, empty `__init__.py` files left out."""
    waiting, seen = {module}, set()
    while waiting:
        path = waiting.pop().replace(".", "/") + ".py"
        if path in sources and path not in seen:
            seen.add(path)
            waiting |= _imports_cached(sources[path])
    return seen


def expected_code(stage: Stage, graph: Graph) -> set[str]:
    """The code dependencies that the stage must declare."""
    return closure(stage.module, graph.sources) - INTERFACE_ONLY


def law_1_one_name(graph: Graph) -> list[str]:
    """Stage file = dvc.yaml stage = params section; a stage tracks its own section, base, sweep, or the encoder."""
    names = {stage.base for stage in graph.stages}
    files = {Path(path).stem for path in graph.sources if path.startswith("stages/")} - {"__init__"}
    sections = set(Params.model_fields) - {"base", "sweep"}
    found = [f"{name}: stage, file and section do not all exist" for name in sorted(names ^ files | names ^ sections)]
    for stage in graph.stages:
        for name in stage.params:
            own = name.split(".")[0] == stage.base
            if not own and not name.startswith(SHARED_PARAMS) and not name.startswith("pretrain.encoder"):
                found.append(f"{stage.name}: tracks {name}, which is another stage's")
        if stage.module != f"stages.{stage.base}":
            found.append(f"{stage.name}: runs {stage.module}")
    return found


def law_1_params_used(graph: Graph) -> list[str]:
    """A stage tracks exactly the sections that its file reads from `load()`."""
    found = []
    for stage in graph.stages:
        read = sections_read(graph.sources[f"stages/{stage.base}.py"])
        tracked = {name.split(".")[0] for name in stage.params}
        found += [f"{stage.name}: reads section {name}, not tracked" for name in sorted(read - tracked)]
        found += [f"{stage.name}: tracks section {name}, not read" for name in sorted(tracked - read)]
    return found


def sections_read(text: str) -> set[str]:
    """Attributes taken of `load()`, or of a name that holds its result."""
    nodes = list(ast.walk(ast.parse(text)))

    def is_load(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "load"

    holders = {node.targets[0].id for node in nodes if isinstance(node, ast.Assign) and is_load(node.value)}  # type: ignore[attr-defined]
    return {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and (is_load(node.value) or getattr(node.value, "id", "") in holders)
    }


def law_2_declared_is_used(graph: Graph) -> list[str]:
    """Declared code dependencies equal the import closure; no dynamic or star imports, empty `__init__` files."""
    found = []
    for stage in graph.stages:
        expected = expected_code(stage, graph)
        found += [f"{stage.name}: lacks dependency {path}" for path in sorted(expected - stage.code)]
        found += [f"{stage.name}: declares {path}, which it does not import" for path in sorted(stage.code - expected)]
        if not stage.cmd.startswith("python -m stages."):
            found.append(f"{stage.name}: cmd is not `python -m stages.NAME`")
    for path, text in graph.sources.items():
        if path.endswith("__init__.py") and text.strip():
            found.append(f"{path}: is not empty")
        if re.search(r"^\s*(import importlib|from importlib|from \S+ import \*)", text, re.MULTILINE):
            found.append(f"{path}: imports what no reader of the source can follow")
    return found


def law_3_paths_agree(graph: Graph) -> list[str]:
    """Every path in `cmd` is a dependency or an output, and every data dependency and output stands in `cmd`."""
    found = []
    for stage in graph.stages:
        words = {word.rstrip("/") for word in stage.cmd.split()[3:]}
        in_cmd = {word for word in words if "/" in word or word in ("results", "plots", "report")}
        declared = {dep.rstrip("/") for dep in stage.deps if not dep.endswith(".py")} | set(stage.outs)
        for path in sorted(in_cmd - declared):
            if not any(other.startswith(f"{path}/") for other in declared):
                found.append(f"{stage.name}: {path} in cmd is neither dependency nor output")
        for path in sorted(declared - in_cmd):
            if not any(path.startswith(f"{other}/") for other in in_cmd):
                found.append(f"{stage.name}: {path} does not stand in cmd")
    return found


def law_4_rooms_apart(graph: Graph) -> list[str]:
    """Rooms import no other room, the foundation imports no room, the library imports neither stages nor Typer."""
    found = []
    for path, text in graph.sources.items():
        if not path.startswith("pipeline/"):
            continue
        own = path.split("/")[1]
        for name in sorted(imports(text)):
            parts = name.split(".")
            if parts[0] == "stages":
                found.append(f"{path}: imports {name}")
            elif len(parts) > 1 and parts[1] in ROOMS and parts[1] != own:
                found.append(f"{path}: imports the room {parts[1]}")
        if "import typer" in text and path != "pipeline/runtime.py":
            found.append(f"{path}: imports typer")
    return sorted(set(found))


def law_5_labels(graph: Graph) -> list[str]:
    """Only evaluation reads labels."""
    return [
        f"{stage.name}: reads {dep}"
        for stage in graph.stages
        for dep in stage.deps
        if dep.startswith("data/labels") and stage.base not in LABEL_READERS
    ]


def law_6_cached_outs(graph: Graph) -> list[str]:
    """Every output but the report's is cached, so that a remote can hand out a whole run."""
    return [
        f"{stage.name}: {out} is not cached"
        for stage in graph.stages
        for out, cached in stage.outs.items()
        if not cached and stage.base != "report"
    ]


def law_7_whole_files(graph: Graph) -> list[str]:
    """No `persist`, and no file opened for update or append."""
    found = [f"{stage.name}: an output persists" for stage in graph.stages if stage.persists]
    for path, text in graph.sources.items():
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        found += [f"{path}:{call.lineno}: opens a file for update" for call in calls if _updates(call)]
    return found


def _updates(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    values = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    modes = {value.value for value in values if isinstance(value, ast.Constant)}
    return name in ("open", "File") and bool(modes & {"a", "r+", "ab", "r+b", "rb+", "a+"})


def law_8_no_machine_in_params(params: type[Section] = Params) -> list[str]:
    """Device, workers, process counts and log intervals are no parameters."""
    banned = re.compile(r"device|worker|process|thread|gpu|log_|interval|per_rank")
    found = []
    for name, field in params.model_fields.items():
        if banned.search(name):
            found.append(f"{params.__name__}.{name} belongs to the environment")
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found += law_8_no_machine_in_params(field.annotation)
    return found


def law_9_strict_params(params: type[Section] = Params) -> list[str]:
    """Frozen, no unknown keys, no defaults."""
    config = params.model_config
    found = []
    if not (config.get("frozen") and config.get("extra") == "forbid" and config.get("strict")):
        found.append(f"{params.__name__} is not frozen, strict and closed")
    for name, field in params.model_fields.items():
        if not field.is_required():
            found.append(f"{params.__name__}.{name} has a default")
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found += law_9_strict_params(field.annotation)
    return found
