"""The laws of the graph as plain functions: each takes the graph and returns the violations it found.

`tests/test_dag.py` asserts that there are none, and that every law speaks up when it is broken.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import get_args

from pipeline.params import Params, Section
from tests.dag_graph import Graph, Stage, closure, imports, overlap
from tests.dag_params import values_read, values_tracked

# The only modules that may change without a rerun:
# - params.py and sections/ pass on the values of params.yaml or refuse them, and DVC compares the values themselves;
# - errors.py and progress.py are what the user sees: the class of an error, bars around items that pass unchanged;
# - runtime.py turns the environment into device, threads, loader processes and deterministic kernels, and logs. A
#   change there may change last digits, as another machine may; it is one of the machine and none of the method;
# - unchanged.py, which stages/__init__.py loads, and locks.py let a run end well or not, and pass nothing on to it.
INTERFACE_ONLY = {"pipeline/params.py", "pipeline/runtime.py", "pipeline/progress.py", "pipeline/errors.py"}
INTERFACE_ONLY |= {"pipeline/unchanged.py", "pipeline/locks.py", "stages/__init__.py"}
INTERFACE_ONLY |= {f"pipeline/sections/{name}.py" for name in ("section", "data", "saliency", "contrast", "evaluation")}
LABEL_READERS = {"match_clusters", "bundle_predictor", "retrieve", "probe_linear", "draw_splits", "finetune"}
LABEL_READERS |= {"score_baselines", "score_saliency", "report"}
ROOMS = {"priors", "pseudolabels", "masks", "contrast", "segmentation", "predictions", "report", "compare"}
# They carry things between rooms as stages do, but outside the graph, so nothing may import them.
FRONT_ENDS = {"pipeline/predict.py"}
# Tables and summaries go straight into their folders, here and by `to_csv`: a folder of results is an output as a
# whole, which DVC deletes before a run and records only after one that did not fail.
RESULTS_WRITERS = {"pipeline/history.py"}
SHARED_PARAMS = ("base.", "sweep", "refine_pseudolabels.threshold", "pretrain.encoder")
# Baselines are scored by the protocols of the stages that score the pretrained network; the report says what was run.
BORROWED = {
    "score_baselines": ("cluster", "match_clusters", "retrieve", "probe_linear"),
    "report": tuple(Params.model_fields),
}


def reading_order(graph: Graph) -> list[str]:
    """Every stage stands below those that make what it reads, be it a part of an output or a folder around it."""
    return [
        f"{stage.name}: reads {dep}, which {later.name} makes only below"
        for i, stage in enumerate(graph.stages)
        for dep in stage.deps
        for later in graph.stages[i:]
        if any(overlap(dep, out) for out in later.outs)
    ]


def expected_code(stage: Stage, graph: Graph) -> set[str]:
    """The code dependencies that the stage must declare."""
    return closure(stage.module, graph.sources) - INTERFACE_ONLY


def law_1_one_name(graph: Graph) -> list[str]:
    """Stage file = dvc.yaml stage = params section; a stage tracks its own section and what all may share."""
    names = {stage.base for stage in graph.stages}
    files = {Path(path).stem for path in graph.sources if path.startswith("stages/")} - {"__init__"}
    sections = set(Params.model_fields) - {"base", "sweep"}
    found = [f"{name}: stage, file and section do not all exist" for name in sorted(names ^ files | names ^ sections)]
    for stage in graph.stages:
        for name in stage.params:
            section = name.split(".")[0]
            if section not in (stage.base, *BORROWED.get(stage.base, ())) and not name.startswith(SHARED_PARAMS):
                found.append(f"{stage.name}: tracks {name}, which is another stage's")
        if stage.module != f"stages.{stage.base}":
            found.append(f"{stage.name}: runs {stage.module}")
    return found


def law_1_params_used(graph: Graph) -> list[str]:
    """A stage tracks exactly the parameters that its file reads."""
    found = []
    for stage in graph.stages:
        read, tracked = values_read(stage, graph.sources[f"stages/{stage.base}.py"]), values_tracked(stage)
        found += [f"{stage.name}: reads {name}, not tracked" for name in sorted(read - tracked)]
        found += [f"{stage.name}: tracks {name}, not read" for name in sorted(tracked - read)]
    return found


def law_2_declared_is_used(graph: Graph) -> list[str]:
    """Declared code dependencies equal the import closure; no dynamic, relative or star imports, empty `__init__`s."""
    found = []
    for stage in graph.stages:
        expected = expected_code(stage, graph)
        found += [f"{stage.name}: lacks dependency {path}" for path in sorted(expected - stage.code)]
        found += [f"{stage.name}: declares {path}, which it does not import" for path in sorted(stage.code - expected)]
        if not stage.cmd.startswith("python -m stages."):
            found.append(f"{stage.name}: cmd is not `python -m stages.NAME`")
    for path, text in graph.sources.items():
        if path.endswith("__init__.py") and text.strip() and path not in INTERFACE_ONLY:
            found.append(f"{path}: is not empty")
        if re.search(r"^\s*(import importlib|from importlib|from \.|from \S+ import \*)", text, re.MULTILINE):
            found.append(f"{path}: imports what no reader of the source can follow")
    return found


def law_3_paths_agree(graph: Graph) -> list[str]:
    """Every path in `cmd` is a dependency or an output, and every data dependency and output stands in `cmd`."""
    found = []
    for stage in graph.stages:
        words = {word.rstrip("/") for word in stage.cmd.split()[3:]}
        in_cmd = {word for word in words if "/" in word or word in ("results", "plots", "profiles")}
        declared = {dep.rstrip("/") for dep in stage.deps if not dep.endswith(".py")} | set(stage.outs)
        for path in sorted(in_cmd - declared):
            if not any(other.startswith(f"{path}/") for other in declared):
                found.append(f"{stage.name}: {path} in cmd is neither dependency nor output")
        for path in sorted(declared - in_cmd):
            if not any(path.startswith(f"{other}/") for other in in_cmd):
                found.append(f"{stage.name}: {path} does not stand in cmd")
    return found


def law_4_rooms_apart(graph: Graph) -> list[str]:
    """Rooms import no other room, the foundation imports no room, the library imports neither stages nor Typer.

    Front ends of the library may import any room, and neither library nor stages import a front end.
    """
    fronts = {path.removesuffix(".py").replace("/", ".") for path in FRONT_ENDS}
    found = [
        f"{path}: imports the front end {name}"
        for path, text in graph.sources.items()
        for name in sorted(imports(text) & fronts)
    ]
    for path, text in graph.sources.items():
        if not path.startswith("pipeline/"):
            continue
        own = path.split("/")[1]
        for parts in sorted(name.split(".") for name in imports(text)):
            if parts[0] == "stages":
                found.append(f"{path}: imports stages")
            elif path in FRONT_ENDS and parts[0] == "pipeline":
                continue
            elif parts[0] == "pipeline" and len(parts) > 1 and parts[1] in ROOMS - {own}:
                found.append(f"{path}: imports the room {parts[1]}")
            # runtime.py makes every stage a command line, so that no stage need know how.
            elif parts[0] == "typer" and path != "pipeline/runtime.py":
                found.append(f"{path}: imports typer")
    return sorted(set(found))


def law_5_labels(graph: Graph) -> list[str]:
    """Evaluation alone reads labels, a folder that holds them, or what was made with them; raw sets go to packing.

    The profile `supervised_saliency` breaks it once, on purpose.
    """
    made = [out for stage in graph.stages if stage.base in LABEL_READERS for out in stage.outs]
    labelled = ["data/raw", "data/labels", *made]
    return [
        f"{stage.name}: reads {dep}"
        for stage in graph.stages
        if stage.base not in LABEL_READERS
        for dep in stage.deps
        if any(overlap(dep, path) for path in labelled)
        and not (stage.base == "pack_images" and dep.startswith("data/raw/"))
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
    """No `persist`, no file opened for update, and every container or network written beside its place."""
    found = [f"{stage.name}: an output persists" for stage in graph.stages if stage.persists]
    for path, text in graph.sources.items():
        updates, bare = _opening_lines(text)
        found += [f"{path}:{line}: opens a file for update" for line in updates]
        found += [f"{path}:{line}: writes outside `replacing`" for line in bare if path not in RESULTS_WRITERS]
    return found


@cache
def _opening_lines(text: str) -> tuple[list[int], list[int]]:
    """The lines of a source that open a file for update, and those that write one outside `replacing`."""
    tree = ast.parse(text)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    updates = [call.lineno for call in calls if re.search("a|r.*[+]", _mode(call))]
    return updates, [call.lineno for call in _bare_writes(tree)]


def _bare_writes(node: ast.AST) -> Iterator[ast.Call]:
    if isinstance(node, ast.With) and any(_called(item.context_expr) == "replacing" for item in node.items):
        return
    if isinstance(node, ast.Call) and (_mode(node)[:1] in ("w", "x") or ast.unparse(node.func) == "torch.save"):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _bare_writes(child)


def _called(node: ast.AST) -> str:
    function = getattr(node, "func", None)
    return getattr(function, "attr", getattr(function, "id", ""))


def _mode(call: ast.Call) -> str:
    """The literal mode in which `open` or `h5py.File` is called; empty for the default and for any other call."""
    values = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    texts = [str(value.value) for value in values if isinstance(value, ast.Constant)]
    modes = [text for text in texts if re.fullmatch("[rwax][bt+-]*", text)]
    return modes[0] if modes and _called(call) in ("open", "File") else ""


def _sections(annotation: object) -> list[type[Section]]:
    """The sections that a field is, or holds by names of the user's own."""
    kinds = (annotation, *get_args(annotation))
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)]


def law_8_no_machine_in_params(params: type[Section] = Params) -> list[str]:
    """Device, workers, process counts and log intervals are no parameters."""
    banned = re.compile(r"device|worker|process|thread|gpu|log_|interval|per_rank")
    found = []
    for name, field in params.model_fields.items():
        if banned.search(name):
            found.append(f"{params.__name__}.{name} belongs to the environment")
        for section in _sections(field.annotation):
            found += law_8_no_machine_in_params(section)
    return found


def law_9_strict_params(params: type[Section] = Params) -> list[str]:
    """Frozen, no unknown keys (or sections of a known kind under free names), no defaults, nothing computed."""
    config = params.model_config
    found = []
    closed = config.get("extra") == "forbid" or "__pydantic_extra__" in params.__annotations__
    if not (config.get("frozen") and closed and config.get("strict")):
        found.append(f"{params.__name__} is not frozen, strict and closed")
    # What begins with a dash below checks values.
    members = {name: value for name, value in vars(params).items() if not name.startswith("_")}
    computed = [name for name, value in members.items() if isinstance(value, property | FunctionType)]
    found += [f"{params.__name__}.{name} is computed, of which DVC does not know" for name in computed]
    for name, field in params.model_fields.items():
        if not field.is_required():
            found.append(f"{params.__name__}.{name} has a default")
        for section in _sections(field.annotation):
            found += law_9_strict_params(section)
    return found
