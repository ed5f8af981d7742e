"""What differs between two snapshots: values by name, scores with their spread, IoU of classes, stages."""

import csv
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from pipeline.compare.snapshot import IOU, Snapshot, Stage

MISSING = object()
K = TypeVar("K", bound=Hashable)


class Score(NamedTuple):
    """A metric; `std` is its sample s.d. over seeds or splits where it is a mean over several, else None."""

    value: Any
    std: float | None


@dataclass(frozen=True)
class StageChange:
    """What of one stage differs, as names of files and parameters; `only` names the side that alone has run it."""

    name: str
    only: str
    code: list[str]
    params: list[str]
    inputs: list[str]
    outs: list[str]


def changed(before: Mapping[K, Any], after: Mapping[K, Any]) -> dict[K, tuple[Any, Any]]:
    """Both values of every name whose values differ, MISSING where one side has none; in the order of `after`."""
    names = dict.fromkeys([*after, *before])
    pairs = {name: (before.get(name, MISSING), after.get(name, MISSING)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def scores(metrics: Mapping[str, Any]) -> dict[str, Score]:
    """Every metric, `miou_mean` and `miou_std` joined into `miou`."""
    joined = {}
    for name, value in metrics.items():
        stem = name.removesuffix("_mean")
        if stem != name and f"{stem}_std" in metrics:
            joined[stem] = Score(value, metrics[f"{stem}_std"] or None)  # 0 is what a single run has
        elif not (name.endswith("_std") and f"{name.removesuffix('_std')}_mean" in metrics):
            joined[name] = Score(value, None)
    return joined


def apart(before: Score, after: Score) -> bool | None:
    """Whether the ranges mean ± s.d. of the two do not touch; None where either has no s.d."""
    if before.std is None or after.std is None:
        return None
    return abs(after.value - before.value) > before.std + after.std


def iou(snapshot: Snapshot) -> dict[tuple[str, str], float]:
    """IoU in percent by protocol and class; empty without the file, and without classes that were not scored."""
    rows = csv.DictReader(snapshot.files.get(IOU, b"").decode().splitlines())
    return {(row["protocol"], row["class"]): float(row["iou"]) for row in rows if row["iou"]}


def stages(before: Snapshot, after: Snapshot) -> list[StageChange]:
    """The stages whose last runs differ, in the order of the graph."""
    names = dict.fromkeys([*after.stages, *before.stages])
    pairs = ((name, before.stages.get(name), after.stages.get(name)) for name in names)
    return [_stage(name, old, new, before.name, after.name) for name, old, new in pairs if not _same(old, new)]


def _same(old: Stage | None, new: Stage | None) -> bool:
    if old is None or new is None:
        return old is new
    fields = ("cmd", "code", "inputs", "params", "outs")
    return all(getattr(old, field) == getattr(new, field) for field in fields)


def _stage(name: str, old: Stage | None, new: Stage | None, before: str, after: str) -> StageChange:
    if old is None or new is None:
        return StageChange(name, after if old is None else before, [], [], [], [])
    command = ["the command"] if old.cmd != new.cmd else []
    return StageChange(
        name,
        "",
        [*command, *changed(old.code, new.code)],
        list(changed(old.params, new.params)),
        list(changed(old.inputs, new.inputs)),
        list(changed(old.outs, new.outs)),
    )


def differing(before: Snapshot, after: Snapshot, paths: Iterable[str], params: Iterable[str]) -> list[str]:
    """Those of the outputs and parameters, named with what stands below them, that differ or are on one side alone."""
    outs = [dict(_outs(snapshot)) for snapshot in (before, after)]
    found = [path for path in paths if outs[0].get(path) != outs[1].get(path)]
    names = changed(before.params, after.params)
    return found + [name for name in names if any(f"{name}.".startswith(f"{param}.") for param in params)]


def _outs(snapshot: Snapshot) -> Iterable[tuple[str, str]]:
    return (out for stage in snapshot.stages.values() if stage for out in stage.outs.items())
