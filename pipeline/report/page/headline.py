"""The numbers of a run as a page shows them: those that stand out, the tables of saliency and of the paper."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.report.page.blocks import Numbers, Table
from pipeline.report.page.graph import IDLE
from pipeline.report.paper_tables import TITLES, look_up
from pipeline.report.run_facts import Run
from pipeline.report.summary import percent_key

NOT_RUN = "\N{EN DASH}"
EVALUATED = ("match_clusters", "retrieve", "probe_linear", "draw_splits", "finetune", "score_baselines")
# What is shown, the place of MaskContrast's number among the metrics, and that of the network it started from.
SCORES = {
    "K-means": ("kmeans.maskcontrast.k{}.a.miou_mean", "kmeans.start.k{}.a.miou_mean"),
    "Linear probe": ("linear.maskcontrast.last.miou_mean", "linear.start.last.miou_mean"),
    "Retrieval": ("retrieve.maskcontrast.all_classes.miou", "retrieve.start.all_classes.miou"),
}
SALIENCY = {"max_f": "max F", "weighted_f": "weighted F", "s_measure": "S-measure", "iou_at_half": "IoU", "mae": "MAE"}


def headline(metrics: Mapping[str, Any], classes: int, fractions: list[float]) -> Numbers:
    """MIoU of each protocol beside that of the start; how many objects were found; of masks, how well they fit."""
    found = [(name, *(key.format(classes) for key in keys)) for name, keys in SCORES.items()]
    for fraction in fractions:
        keys = (f"finetune.{percent_key(fraction)}.{init}.miou_mean" for init in ("maskcontrast", "start"))
        found.append((f"Fine-tuned, {100 * fraction:g} % of labels", *keys))
    shown = []
    for name, ours, start in found:
        value, before = look_up(metrics, ours), look_up(metrics, start)
        if value is not None:
            spread = look_up(metrics, ours.replace("miou_mean", "miou_std")) if ours.endswith("_mean") else None
            note = "mIoU" + (f" ± {spread:.1f}" if spread else "")
            shown.append((name, f"{value:.1f}", note + (f"; start {before:.1f}" if before is not None else "")))
    images, rejected = look_up(metrics, "masks.images"), look_up(metrics, "masks.rejected")
    if images is not None:
        shown.append(("Masks", f"{images - (rejected or 0):,.0f}", f"of {images:,.0f} images have one"))
    fit = look_up(metrics, "masks.scored.iou")
    if fit is not None:
        shown.append(("Masks, fit", f"{100 * fit:.1f}", "IoU with the labelled foreground, percent"))
    return Numbers(shown)


def saliency_tables(metrics: Mapping[str, Any]) -> list[Table]:
    """The scores of each source of maps, one table a benchmark that has ground truth."""
    tables = []
    for split, by_source in metrics.get("saliency", {}).items():
        rows = [
            (source.replace("_", " "), *(_number(scores.get(name), 3) for name in SALIENCY))
            for source, scores in by_source.items()
            if scores.get("images")
        ]
        if rows:
            tables.append(Table(f"Saliency on {split}", ["source", *SALIENCY.values()], rows))
    return tables


def paper_blocks(path: Path, run: Run) -> list[Table]:
    """The tables of paper_tables.csv; on a set that is none of the paper's, only lines that this run has filled."""
    table = pd.read_csv(path, dtype={"table": str})
    blocks = []
    for name, rows in table.groupby("table", sort=False):
        rows = rows if run.data.whole else rows.dropna(subset="ours")
        kept = [column for column in rows.columns[3:] if rows[column].notna().to_numpy().any()]
        lines = [
            (line["row"], line["column"], *(_cell(column, line[column]) for column in kept))
            for line in rows.to_dict("records")
        ]
        if lines:
            heads = ["", "protocol", *(column.replace("_", " ") for column in kept)]
            blocks.append(Table(TITLES[str(name)], heads, lines, named=2, folded=len(lines) > 12))
    return blocks


def _cell(column: str, value: Any) -> str:
    if pd.isna(value):
        return NOT_RUN
    if column == "within_band":
        return "yes" if str(value) == "True" else "no"
    return f"{float(value):+.1f}" if column == "difference" else _number(value, 1)


def _number(value: Any, digits: int) -> str:
    return NOT_RUN if value is None or pd.isna(value) else f"{float(value):.{digits}f}"


def made_by_stage(metrics: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, str]:
    """What this run made of each stage, in a few words; of those that need labels, that there were none."""
    sets = {name: look_up(metrics, f"images.{name}.images") or 0 for name in metrics["images"]}
    sources = [each["source"] for each in params["pack_images"].values()]
    start, clusters = params["prepare_weights"], params["cluster"]
    proposal, priors = sets.get("proposal", 0), len(params["sweep"]["priors"])
    masks = metrics["masks"]
    made = {
        "draw_sample": "" if any(s.startswith("sample/") for s in sources) else "drawn, and not used here",
        "pack_images": ", ".join(f"{name} {count:,.0f}" for name, count in sets.items()) + " images",
        "compute_priors": f"{_counted(priors, 'prior')} of {proposal + sets.get('benchmark', 0):,.0f} images",
        "prepare_weights": f"{start['backbone']}, {Path(start['weights']).name}",
        "refine_pseudolabels": _counted(priors, "network"),
        "fuse_pseudolabels": f"pseudo-labels of {proposal:,.0f} images",
        "train_basnet": _counted(params["train_basnet"]["epochs"], "epoch"),
        "predict_saliency": f"maps of {sets.get(params['base']['pretraining_set'], 0):,.0f} images",
        "extract_masks": _masks(masks),
        "pretrain": _counted(params["pretrain"]["epochs"], "epoch") + _share(metrics, "pretrain.used"),
        "embed": f"embeddings of {sets.get('target', 0):,.0f} images",
        "cluster": f"K = {', '.join(map(str, clusters['clusters']))}; {_counted(len(clusters['seeds']), 'seed')}",
        "score_saliency": _fit(masks),
        "report": "this page",
    }
    if metrics.get("kmeans"):
        made |= _evaluated(metrics, params)
    else:
        made |= dict.fromkeys(EVALUATED, IDLE)
    if not any(metrics.get("saliency", {}).values()) and not masks.get("scored"):
        made["score_saliency"] = IDLE
    return made


def _evaluated(metrics: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, str]:
    """The mIoU that came of each stage that needs labels, and how many baselines there are."""
    kmeans = {name: each.get("a", {}).get("miou_mean") for name, each in metrics["kmeans"]["maskcontrast"].items()}
    tuned = {
        f"({100 * fraction:g} % of labels)": look_up(
            metrics, f"finetune.{percent_key(fraction)}.maskcontrast.miou_mean"
        )
        for fraction in params["sweep"]["fractions"]
    }
    return {
        "match_clusters": _mious({f"(K = {name[1:]})": value for name, value in kmeans.items()}),
        "retrieve": _mious({"": look_up(metrics, "retrieve.maskcontrast.all_classes.miou")}),
        "probe_linear": _mious({"": look_up(metrics, "linear.maskcontrast.last.miou_mean")}),
        "draw_splits": _counted(len(params["sweep"]["fractions"]) * len(params["sweep"]["splits"]), "list"),
        "finetune": _mious(tuned),
        "score_baselines": _counted(len(metrics["baselines"]), "other network"),
    }


def _mious(values: Mapping[str, float | None]) -> str:
    found = [f"{value:.1f} {name}".strip() for name, value in values.items() if value is not None]
    return f"mIoU {', '.join(found)}" if found else ""


def _masks(masks: Mapping[str, Any]) -> str:
    return f"{masks['images'] - masks.get('rejected', 0):,} masks, {masks.get('rejected', 0):,} rejected"


def _fit(masks: Mapping[str, Any]) -> str:
    fit = look_up(masks, "scored.iou")
    return "" if fit is None else f"masks have an IoU of {fit:.2f}"


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _share(metrics: Mapping[str, Any], key: str) -> str:
    used = look_up(metrics, key)
    return "" if used is None else f" on {used:,.0f} images"
