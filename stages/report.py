"""Gather the results of all stages into the metrics and plots that git tracks."""

import json
import shutil
from pathlib import Path

import pandas as pd

from pipeline.packed import Packed, replacing
from pipeline.params import PackImages, load
from pipeline.report.figures import save_confusion, save_overlays
from pipeline.report.overlays import overlay_rows
from pipeline.report.summary import gather
from pipeline.report.tables import confusion, iou_per_class, pretraining_losses, saliency_losses
from pipeline.runtime import log, run_stage


def main(
    images: Path,
    labels: Path,
    masks: Path,
    embeddings: Path,
    clusters: Path,
    results: Path,
    metrics: Path,
    plots: Path,
) -> None:
    """Write the summary, the tables behind the curves, and the figures."""
    params = load()
    sets = dict.fromkeys((*PackImages.model_fields, params.base.pretraining_set))
    summary = gather(results, sets, params.sweep, params.score_baselines, params.report.digits)
    with replacing(metrics) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")
    plots.mkdir(parents=True, exist_ok=True)
    losses = pretraining_losses(results)
    if losses is not None:
        losses.to_csv(plots / "pretrain.csv", index=False)
    for name in ("scores", "gains"):
        table = pd.read_csv(results / "score_saliency" / f"{name}.csv")
        table.to_csv(plots / f"saliency_{name}.csv", index=False, float_format=f"%.{params.report.digits}g")
    for drawn, name in (
        ("score_saliency/maps.png", "saliency_maps.png"),
        ("retrieve/neighbours.png", "neighbours.png"),
    ):
        if (results / drawn).exists():
            shutil.copy(results / drawn, plots / name)
    saliency_losses(results, params.sweep.priors).to_csv(plots / "saliency_losses.csv", index=False)
    iou_per_class(results).to_csv(plots / "iou_per_class.csv", index=False)
    classes = Packed(labels, "labels").metadata["classes"]
    rows = overlay_rows(images, labels, masks, embeddings, clusters, results, params.report.overlays)
    save_overlays(rows, classes, plots / "overlays.png")
    pixels = confusion(results, classes)
    if pixels is not None:
        save_confusion(pixels, classes, plots / "confusion.png")
    log.info("reported the metrics in %s and %d files in %s", metrics, len(list(plots.iterdir())), plots)


if __name__ == "__main__":
    run_stage(main)
