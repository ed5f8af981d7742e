"""The paper's tables as this run fills them: published number, own, difference, and whether it lies within the band."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.report.published import BAND, Cell, published
from pipeline.report.run_facts import Run

NOT_RUN = "not run"
TITLES = {
    "1": "Table 1: what a linear probe finds",
    "2a": "Table 2a: mask proposals (MoCo v2)",
    "2b": "Table 2b: training mechanisms (MoCo v2, unsupervised saliency)",
    "2c": "Table 2c: temperature and queue (means over several runs)",
    "3": "Table 3: linear probe and K-means",
    "4": "Table 4: over-clustering",
    "5": "Table 5: transfer between data sets (supervised saliency)",
    "6": "Table 6: fine-tuning on a share of the labels",
    "retrieval": "Retrieval of segments (README of the official code)",
    "CRF": "Linear probe with CRF, last epoch (README of the official code: the best)",
    "per class": "IoU of each class, linear probe of the last epoch (README: the best; supervised saliency)",
}
STARTS = {"moco_v2": "MoCo v2", "imagenet": "ImageNet classifier"}
PROTOCOLS = ("linear", "kmeans", "retrieve", "finetune")
COLUMNS = ["table", "row", "column", "published", "ours", "last_epoch", "difference", "within_band"]
OWN_COLUMNS = ["table", "row", "column", "ours", "last_epoch"]
NETWORKS = {"start": "starting weights", "start_pixels": "starting weights", "maskcontrast": "MaskContrast"}


def look_up(metrics: Mapping[str, Any], key: str) -> float | None:
    """The number under a dotted key, or None where the run has none."""
    found: Any = metrics
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, (int, float)) else None


def compared(cells: Iterable[Cell], metrics: Mapping[str, Any], facts: Mapping[str, str]) -> pd.DataFrame:
    """One row a published number: `published`, `ours`, `last_epoch` (linear probe), `difference`, `within_band`.

    `ours` is empty where this run is not that of the row. `within_band` is about K-means of MaskContrast alone: of
    nothing else the spread over trainings is known.
    """
    rows = []
    for cell in cells:
        key, ours = _counterpart(cell, metrics, facts)
        difference = None if ours is None else round(ours - cell.value, 2)
        agrees = None
        if difference is not None and key.startswith("kmeans.maskcontrast."):
            agrees = abs(difference) <= BAND
        rows.append((*cell[:4], ours, _last_epoch(key, metrics), difference, agrees))
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)


def own(cells: Iterable[Cell], metrics: Mapping[str, Any], classes: int) -> pd.DataFrame:
    """The same rows by the network that they are about, with no published number: for any other data set.

    A key stands in the first table that asks for it, with K = the number of classes for 21.
    """
    rows: dict[str, tuple[object, ...]] = {}
    for cell in cells:
        for source in cell.sources if cell.table != "per class" else ():
            key = source.key.replace(".k21.", f".k{classes}.")
            column = cell.column.replace("21", str(classes))
            found = (cell.table, _network(key), column, look_up(metrics, key), _last_epoch(key, metrics))
            rows.setdefault(key, found)
    return pd.DataFrame(list(rows.values()), columns=OWN_COLUMNS, dtype=object)


def _counterpart(cell: Cell, metrics: Mapping[str, Any], facts: Mapping[str, str]) -> tuple[str, float | None]:
    """The first key that has a number, whose facts are this run's, and whose protocol is the published one."""
    for key, needed in cell.sources:
        ours = look_up(metrics, key)
        facts_needed = {**needed, _protocol(key): "published"}
        if ours is not None and all(facts.get(name) == value for name, value in facts_needed.items()):
            return key, ours
    return "", None


def _protocol(key: str) -> str:
    """The protocol that a number was measured by; K-means of pixels has the options of K-means."""
    return next(name for name in PROTOCOLS if name in key.lower().replace("-", ""))


def _last_epoch(key: str, metrics: Mapping[str, Any]) -> float | None:
    return look_up(metrics, key.replace(".best_on_val.", ".last.")) if ".best_on_val." in key else None


def _network(key: str) -> str:
    protocol, name, *rest = key.split(".")
    name = rest[0] if protocol == "finetune" else name
    return name if protocol == "baselines" else NETWORKS[name]


def save_paper_tables(metrics: Mapping[str, Any], per_class: pd.DataFrame, run: Run, plots: Path) -> None:
    """Write `paper_tables.csv` and `paper_tables.md` into `plots`; `per_class` has columns protocol, class, iou."""
    nested: dict[str, dict[str, float]] = {}
    for protocol, name, iou in per_class[["protocol", "class", "iou"]].itertuples(index=False):
        nested.setdefault(protocol, {})[name] = iou
    table = paper_tables({**metrics, "iou_per_class": nested}, run)
    table.to_csv(plots / "paper_tables.csv", index=False)
    (plots / "paper_tables.md").write_text(page(table, run))


def paper_tables(metrics: Mapping[str, Any], run: Run) -> pd.DataFrame:
    """`compared` on a whole data set of the paper, `own` on any other."""
    if run.data.whole:
        return compared(published(), metrics, run.facts)
    return own(published(), metrics, len(run.data.classes))


def page(table: pd.DataFrame, run: Run) -> str:
    """The tables in Markdown, below what they are of and how to read them."""
    parts = _head(run)
    for name, rows in table.groupby("table", sort=False):
        parts.append(f"## {TITLES[str(name)]}\n\n{_markdown(rows.drop(columns='table'))}")
    return "\n\n".join(parts) + "\n"


def _head(run: Run) -> list[str]:
    legend = (
        "mIoU in percent. K-means is that of protocol `a` (docs/options.md); the linear probe is that of the epoch "
        "that is best on the images scored, as in the official code, with the last epoch beside it."
    )
    if not run.data.whole:
        none = "Published numbers are of the whole PASCAL VOC or COCO, so none stands here."
        return ["# The paper's tables, of this run", f"Data set: {run.data}. {none}", legend]
    start = STARTS.get(run.facts["start"], "none of the paper's")
    masks = run.facts["masks"] or "none of the paper's"
    what = f"Data set: {run.data}. Start: {start}. Masks: {masks}. Mechanisms: {run.facts['mechanisms']}."
    options = ", ".join(f"`{name}` {value}" for name, value in run.unusual.items())
    odd = [f"No rows of what depends on these values, which neither the paper nor the code has: {options}."]
    band = (
        f"Within the band, for K-means of MaskContrast: a difference of at most {BAND}, two standard deviations of "
        "what four trainings of an independent user gave (42.2, 41.4, 43.9, 44.4; s.d. 1.41)."
    )
    return ["# The paper's tables, and this run", what, *(odd if options else []), legend, band]


def _markdown(rows: pd.DataFrame) -> str:
    kept = [name for name in rows if name == "ours" or set(rows[name]) != {None}]
    lines = [[name.replace("_", " ") for name in kept], ["---"] * len(kept)]
    lines += [[_text(name, value) for name, value in zip(kept, row, strict=True)] for row in rows[kept].to_numpy()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(column: str, value: object) -> str:
    if value is None:
        return NOT_RUN if column == "ours" else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:{'+' if column == 'difference' else ''}.1f}" if isinstance(value, float) else str(value)
