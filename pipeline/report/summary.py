"""The tracked metrics: one nested JSON of rounded numbers, gathered from the results of all stages.

DVC shows nested keys with dots (`kmeans.maskcontrast.k21.a.miou_mean`), so keys hold no dot themselves, and no value is
a list. mIoU and accuracy are in percent, saliency scores in [0, 1].
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.metrics.spread import mean_and_std
from pipeline.params import Sweep

SALIENCY_SCORES = ("images", "max_f", "mae", "weighted_f", "s_measure", "iou_at_half")


def gather(results: Path, sets: Iterable[str], sweep: Sweep, baselines: Iterable[str], digits: int) -> dict[str, Any]:
    """All headline numbers below `results`, rounded to `digits` significant digits.

    Only the `sets` of images, the items of `sweep` and the `baselines` are read, so that what was dropped leaves no
    number behind.
    """
    saliency = _read(results / "score_saliency")
    pretrain = _read(results / "pretrain")
    summary = {
        "images": {name: _read(results / "pack_images" / name) for name in sets},
        "saliency": {split: _telling(by_source) for split, by_source in saliency["maps"].items()},
        "masks": _read(results / "extract_masks") | {"scored": saliency["masks"]},
        "pretrain": pretrain,
        "kmeans": {
            name: {f"k{clusters}": scores for clusters, scores in runs.items()}
            for name, runs in _read(results / "match_clusters").items()
        },
        "retrieve": _read(results / "retrieve"),
        "linear": _read(results / "probe_linear"),
        "finetune": finetuning(results / "finetune", sweep),
        "baselines": {name: _read(results / "score_baselines" / name) for name in baselines},
    }
    return _rounded(summary, digits)


def finetuning(folder: Path, sweep: Sweep) -> dict[str, Any]:
    """Mean and sample s.d. over the splits, for every fraction and initialisation; after a CRF where there was one."""
    table: dict[str, Any] = {}
    for fraction in sweep.fractions:
        for init in sweep.inits:
            runs = [_read(folder / f"{fraction}-{split}-{init}") for split in sweep.splits]
            names = [name for name in ("miou", "miou_crf") if name in runs[0]]
            scores = [mean_and_std(name, [run[name] for run in runs]) for name in names]
            table.setdefault(percent_key(fraction), {})[init] = {key: v for each in scores for key, v in each.items()}
    return table


def _telling(by_source: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The scores of every source that tell most; all of them stand in the report's table."""
    return {
        source: {name: value for name, value in scores.items() if name in SALIENCY_SCORES}
        for source, scores in by_source.items()
    }


def percent_key(fraction: float) -> str:
    """`0.125` as `12_5pct`: DVC would read a dot in a key as nesting."""
    return f"{100 * fraction:g}pct".replace(".", "_")


def _read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())


def _rounded(value: Any, digits: int) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(inner, digits) for key, inner in value.items()}
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value
