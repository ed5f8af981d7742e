"""The graph of dvc.yaml as a list of stages in reading order, beside which arcs show what reads what.

A list stays readable on a phone, where a drawing of twenty boxes does not.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.params import read_mapping
from pipeline.report.page.blocks import Graph, Step

ROW, LANE, EDGE = 72, 6, 8  # pixels: height of a row, distance of two arcs, room beside them
IDLE = "no labels, nothing to do"


def read_graph(path: Path, params: Mapping[str, Any], made: Mapping[str, str]) -> Graph:
    """The stages of the dvc.yaml at `path` under `params`; `made` says by their name what came of them."""
    content = read_mapping(path, YAML(typ="safe"))["stages"]
    reads, makes, steps = {}, {}, []
    for name, entry in content.items():
        stage = entry.get("do", entry)
        deps = [dep for dep in stage.get("deps", []) if not dep.endswith(".py")]
        reads[name] = [_resolved(path, params) for dep in deps for path in _of_items(dep, entry, params)]
        makes[name] = [_resolved(out, params) for out in _outputs(stage)]
        text = made.get(name, "")
        items = ", ".join(_items(entry, params))
        steps.append(Step(name, items, stage.get("desc", ""), makes[name], text, text == IDLE))
    return Graph(steps, arcs(list(content), essential(edges(reads, makes))))


def _outputs(stage: Mapping[str, Any]) -> list[str]:
    listed = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
    return [next(iter(out)) if isinstance(out, Mapping) else out for out in listed]


def _resolved(path: str, params: Mapping[str, Any]) -> str:
    """The path with values of `params` filled in, and `*` for what differs between the items of a stage."""
    return re.sub(r"\$\{(.+?)\}", lambda found: _value(found.group(1), params), path)


def _value(name: str, params: Mapping[str, Any]) -> str:
    found: Any = params
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return "*" if found is None else str(found)


def _items(entry: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """What a stage is repeated over: the keys of a section, or the values of each axis of its matrix."""
    axes = [entry["foreach"]] if "foreach" in entry else list(entry.get("matrix", {}).values())
    return [" ".join(map(str, _values(axis, params))) for axis in axes]


def _values(axis: object, params: Mapping[str, Any]) -> Iterable[object]:
    """What `${name}` stands for, the keys of a section or a list."""
    value: Any = params
    for part in str(axis).strip("${}").split("."):
        value = value[part]
    return value


def _of_items(path: str, entry: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """The paths that a path with items of a matrix stands for; a `*` in their place might fit more."""
    paths = [path]
    for name, axis in entry.get("matrix", {}).items():
        paths = [each.replace(f"${{item.{name}}}", str(value)) for each in paths for value in _values(axis, params)]
    return list(dict.fromkeys(paths))


def edges(reads: Mapping[str, Iterable[str]], makes: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """The pairs of stages of which the second reads what the first makes, or something in it or around it."""
    return [
        (source, sink)
        for source, outs in makes.items()
        for sink, deps in reads.items()
        if source != sink and any(_overlap(dep, out) for dep in deps for out in outs)
    ]


def _overlap(one: str, other: str) -> bool:
    pairs = zip(one.rstrip("/").split("/"), other.rstrip("/").split("/"), strict=False)
    return all(fnmatch(a, b) or fnmatch(b, a) for a, b in pairs)


def essential(found: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The edges that no longer way replaces, so that the picture stays readable."""
    after: dict[str, set[str]] = {}
    for source, sink in found:
        after.setdefault(source, set()).add(sink)

    def reached(start: str) -> set[str]:
        return set().union(*({step} | reached(step) for step in after.get(start, ())))

    return [(a, b) for a, b in found if not any(b in reached(step) for step in after[a] - {b})]


def arcs(names: Sequence[str], found: Iterable[tuple[str, str]]) -> str:
    """An SVG with a dot for each stage and an arc for each edge, short ones inside, no two upon each other."""
    order = {name: i for i, name in enumerate(names)}
    spans = sorted(((order[a], order[b]) for a, b in found), key=lambda span: (span[1] - span[0], span))
    lanes = [[span for span in spans if span[1] - span[0] == 1]]  # the innermost is the straight line
    for start, end in spans[len(lanes[0]) :]:
        free = (lane for lane in lanes[1:] if all(end <= s or e <= start for s, e in lane))
        lane = next(free, None)
        if lane is None:
            lanes.append(lane := [])
        lane.append((start, end))
    right = LANE * (len(lanes) - 1) + EDGE
    paths = [_arc(right - LANE * depth, right, *span) for depth, lane in enumerate(lanes) for span in lane]
    dots = [f'<circle cx="{right}" cy="{_middle(row)}" r="4.5"/>' for row in range(len(names))]
    width, height = right + EDGE, ROW * len(names)
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg {size} role="img" aria-label="What reads what">{"".join(paths + dots)}</svg>'


def _middle(row: int) -> int:
    return ROW * row + ROW // 2


def _arc(x: int, right: int, start: int, end: int) -> str:
    top, bottom, bend = _middle(start), _middle(end), ROW // 3
    curve = f"M{right} {top}Q{x} {top} {x} {top + bend}V{bottom - bend}Q{x} {bottom} {right} {bottom}"
    return f'<path d="{curve}"/>'
