"""Refuses a run during which its code, its parameters or its inputs were edited.

DVC hashes what a stage depends on when its command has ended (issue 11058 of treeverse/dvc). An edit made meanwhile
would be recorded with the outputs of what was there before, and the stage never run again. DVC records nothing of a
command that fails, so a stage that finds an edit fails.

Compared is what DVC tracks of the stage. Its code, with what it was before any of it was loaded: `stages/__init__.py`
imports this module first. The values of its parameters, and size and time of its inputs, with what they were before
its work began. A stage started by hand has its code compared alone, since nothing tells its inputs from its outputs.
"""

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.params import read_mapping

GRAPH, PARAMS = Path("dvc.yaml"), Path("params.yaml")


def _sources() -> dict[str, str]:
    """Hashes of all modules of the project by their paths, written as in dvc.yaml."""
    paths = (path for name in ("pipeline", "stages") for path in Path(name).rglob("*.py"))
    return {path.as_posix(): hashlib.sha256(_content(path)).hexdigest() for path in paths}


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


SOURCES = _sources()
"""The modules as they were when this one was imported, after none but what it imports: of that DVC tracks nothing."""


@dataclass(frozen=True)
class Tracked:
    """What DVC tracks of a stage beside its inputs: paths of modules, dotted names in params.yaml, paths of outputs."""

    code: set[str]
    params: list[str]
    outs: re.Pattern[str]


def tracked(stage: str, graph: Mapping[str, Any]) -> Tracked:
    """What the stage of that name, with its item, tracks by dvc.yaml; nothing when it is not in there."""
    name, _, item = stage.partition("@")
    entry = graph.get("stages", {}).get(name, {})
    entry = entry.get("do", entry)
    # Where a parameter's name depends on the item, the item is that one word.
    names = [re.sub(r"\$\{.+?\}", item, name) for name in entry.get("params", [])]
    outs = "|".join(_pattern(out) for kind in ("outs", "metrics", "plots") for out in entry.get(kind, []))
    return Tracked({dep for dep in entry.get("deps", []) if dep.endswith(".py")}, names, re.compile(outs))


def _pattern(out: str | Mapping[str, Any]) -> str:
    """A regular expression for the paths of an output, whatever its item."""
    parts = re.split(r"(\$\{.+?\})", out if isinstance(out, str) else next(iter(out)))
    return "".join(".+" if part.startswith("${") else re.escape(part) for part in parts)


@contextmanager
def unchanged(arguments: Iterable[object]) -> Iterator[None]:
    """Do the work of a stage that was given these arguments; InputError when what it depends on has changed at the end.

    It is raised before the work when code was edited while it was loaded.
    """
    stage = os.environ.get("DVC_STAGE", "").rpartition(":")[2]
    # Only inputs are there: DVC has removed the outputs of an earlier run.
    inputs = [path for path in arguments if stage and isinstance(path, Path) and path.exists()]
    graph, before = _content(GRAPH), _State(SOURCES, _content(PARAMS), _stamps(inputs))
    _refuse(stage, graph, before, _now(inputs))
    yield
    _refuse(stage, graph, before, _now(inputs))


@dataclass(frozen=True)
class _State:
    """Sources and inputs by path, and the text of params.yaml."""

    sources: dict[str, str]
    params: bytes
    inputs: dict[str, str]


def _now(inputs: Iterable[Path]) -> _State:
    return _State(_sources(), _content(PARAMS), _stamps(inputs))


def _stamps(inputs: Iterable[Path]) -> dict[str, str]:
    return {str(path): hashlib.sha256(repr(sorted(_stats(path))).encode()).hexdigest() for path in inputs}


def _stats(path: Path) -> Iterator[tuple[str, int, int]]:
    """Size and time of a file, or of all in a folder; no inode, since some network disks number files anew."""
    files = (Path(folder, name) for folder, _, names in os.walk(path) for name in names) if path.is_dir() else [path]
    for file in files:
        if file.exists():
            yield str(file), file.stat().st_size, file.stat().st_mtime_ns


def _refuse(stage: str, graph: bytes, before: _State, now: _State) -> None:
    if before == now:
        return  # parsing YAML takes longer than all the rest
    name = stage or Path(sys.argv[0]).stem
    known = tracked(name, YAML(typ="safe").load(graph) or {})
    # An output is there from the start where a stage that outlived a killed DVC has just written it.
    inputs = {path for path in _differing(before.inputs, now.inputs) if not known.outs.fullmatch(path)}
    changed = sorted(inputs | _differing(before.sources, now.sources) & known.code)
    if stage and before.params != now.params:
        contents = YAML(typ="safe").load(before.params), read_mapping(PARAMS, YAML(typ="safe"))
        changed += sorted(_differing(*(_values(content, known.params) for content in contents)))
    if changed:
        more = f" and {len(changed) - 1} more" if changed[1:] else ""
        raise InputError(
            f"{changed[0]}{more} changed while {name} was running, and what it wrote belongs to what was there before; "
            "run `dvc repro` again, or for edits during a run, have it in a copy by `dvc exp run --temp`"
        )


def _differing(before: Mapping[str, object], now: Mapping[str, object]) -> set[str]:
    return {name for name in {**before, **now} if before.get(name) != now.get(name)}


def _values(content: object, names: Iterable[str]) -> dict[str, object]:
    """All single values of params.yaml that tracked names stand for, by their dotted names."""
    leaves = dict(_leaves(content))
    return {leaf: leaves[leaf] for name in names for leaf in leaves if f"{leaf}.".startswith(f"{name}.")}


def _leaves(content: object, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(content, Mapping) and content:
        for key, value in content.items():
            yield from _leaves(value, f"{name}.{key}".lstrip("."))
    else:
        yield name, content
