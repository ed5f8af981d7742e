"""The differences as tables of text, which the Markdown and the page lay out each in its way."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from pipeline.compare import differences
from pipeline.compare.differences import MISSING, Score, StageChange
from pipeline.compare.snapshot import Snapshot

NOTHING = "\N{EN DASH}"
SHOWN_NAMES = 3
LONG = 20


class Table(NamedTuple):
    """Rows under a header, with one sentence on how to read them; `folded` ones are long and tell less."""

    title: str
    note: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    folded: bool = False


def tables(before: Snapshot, after: Snapshot) -> list[Table]:
    """All of them; one without rows says that nothing differs."""
    headline, others = metrics(before, after)
    return [parameters(before, after), headline, iou_per_class(before, after), stages(before, after), others]


def warnings(before: Snapshot, after: Snapshot) -> list[str]:
    """One sentence for each side whose scores are older than its parameters or code."""
    return [
        f"The scores of {snapshot.name} are not those of its parameters and code: {listed(snapshot.stale)} "
        f"did not run since the last edit; `dvc repro` runs what is missing."
        for snapshot in (before, after)
        if snapshot.stale
    ]


def parameters(before: Snapshot, after: Snapshot) -> Table:
    """Every value of params.yaml that differs."""
    pairs = differences.changed(before.params, after.params)
    rows = [(name, text(old), text(new)) for name, (old, new) in pairs.items()]
    return Table("Parameters", "", ("parameter", before.name, after.name), rows, folded=len(rows) > LONG)


def metrics(before: Snapshot, after: Snapshot) -> tuple[Table, Table]:
    """Every metric that differs, mIoU apart from the others."""
    pairs = differences.changed(differences.scores(before.metrics), differences.scores(after.metrics))
    rows = [(name, *_score_cells(old, new)) for name, (old, new) in pairs.items()]
    headline = [row for row in rows if row[0].rpartition(".")[2].startswith("miou")]
    header = ("metric", before.name, after.name, "difference", "apart")
    note = (
        "In percent, mean ± s.d. over the seeds or splits of the evaluation; apart: whether the two ranges do not "
        "touch. Each side is one training, and another one may differ by more: compare several before you conclude."
    )
    others = [row for row in rows if row not in headline]
    return Table("mIoU", note, header, headline), Table("Other metrics", "", header, others, folded=True)


def iou_per_class(before: Snapshot, after: Snapshot) -> Table:
    """IoU of every class of every protocol that differs."""
    pairs = differences.changed(differences.iou(before), differences.iou(after))
    rows = [(*key, text(old), text(new), _difference(old, new)) for key, (old, new) in pairs.items()]
    header = ("protocol", "class", before.name, after.name, "difference")
    return Table("IoU of each class", "In percent, mean over the seeds.", header, rows)


def stages(before: Snapshot, after: Snapshot) -> Table:
    """Which stages ran differently, by what, and whether they made something else."""
    found = differences.stages(before, after)
    total = len({*before.stages, *after.stages})
    note = f"{len(found)} of {total} stages differ. Where no code and no parameter does, an input made the difference."
    header = ("stage", "code", "parameters", "inputs", "outputs")
    return Table("Stages", note if found else "", header, [_stage_row(change) for change in found])


def _stage_row(change: StageChange) -> tuple[str, ...]:
    if change.only:
        return (change.name, f"only in {change.only}", "", "", "")
    causes = [listed(names) for names in (change.code, change.params, change.inputs)]
    return (change.name, *causes, listed(change.outs) or "the same bytes")


def _score_cells(old: Any, new: Any) -> tuple[str, ...]:
    if old is MISSING or new is MISSING:
        return (_score(old), _score(new), "", "")
    separate = {True: "yes", False: "no", None: ""}[differences.apart(old, new)]
    return (_score(old), _score(new), _difference(old.value, new.value), separate)


def _score(score: Any) -> str:
    if not isinstance(score, Score) or score.std is None:
        return text(score.value if isinstance(score, Score) else score)
    return f"{text(score.value)} ± {score.std:.2g}"


def _difference(old: Any, new: Any) -> str:
    numbers = all(isinstance(value, int | float) for value in (old, new))
    return f"{new - old:+.4g}" if numbers else ""


def text(value: Any) -> str:
    """A value of params.yaml or of the metrics as one reads it there; a dash where there is none."""
    if value is MISSING:
        return NOTHING
    if isinstance(value, bool | None):
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return f"[{', '.join(map(text, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def listed(names: Iterable[str]) -> str:
    """The first few names, and how many more there are; empty without any."""
    known = list(names)
    more = f" and {len(known) - SHOWN_NAMES} more" if len(known) > SHOWN_NAMES else ""
    return ", ".join(known[:SHOWN_NAMES]) + more
