"""What the sources say of an edit: the stages that import a module, read a parameter or follow, and other values."""

import functools
import json
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from tests.dag_graph import ROOT, Stage, closure, load_graph, overlap
from tests.dag_laws import INTERFACE_ONLY
from tests.dag_params import values_read

GRAPH = load_graph()
SAMPLE: dict[str, Any] = YAML(typ="safe").load(ROOT / "profiles" / "sample.yaml")


def other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, Mapping):
        key = next(iter(value), "train")
        return {**value, key: other(value.get(key, 0))}
    if isinstance(value, list):
        return [*value, *(value[:1] or ["cat"])]
    return not value if isinstance(value, bool) else value + ("x" if isinstance(value, str) else 1)


def with_other(*values: str) -> dict[str, Any]:
    """The sample's parameters with other values of these, given by their dotted names."""
    content = json.loads(json.dumps(SAMPLE))
    for value in values:
        *sections, last = value.split(".")
        inner = functools.reduce(lambda section, name: section[name], sections, content)
        inner[last] = other(inner[last])
    return content


def importers(path: str) -> set[str]:
    return {stage.name for stage in GRAPH.stages if path in closure(stage.module, GRAPH.sources) - INTERFACE_ONLY}


def readers(value: str) -> set[str]:
    return {name for name, values in read_by_stage().items() if value in values}


@functools.cache
def read_by_stage() -> dict[str, set[str]]:
    """Of each stage, the parameters that its file reads."""
    return {stage.name: values_read(stage, GRAPH.sources[f"stages/{stage.base}.py"]) for stage in GRAPH.stages}


def following(names: set[str]) -> set[str]:
    """These stages and all that are given, on their command lines, something that one of them makes."""
    while True:
        made = [out for stage in GRAPH.stages if stage.name in names for out in stage.outs]
        more = {stage.name for stage in GRAPH.stages if any(overlap(one, out) for one in _given(stage) for out in made)}
        if more <= names:
            return names
        names = names | more


def _given(stage: Stage) -> set[str]:
    return set(stage.cmd.split()[3:]) - set(stage.outs)
