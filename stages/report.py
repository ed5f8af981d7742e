"""Gather the results of all stages into the metrics and plots that git tracks, and into a page to look at."""

import json
from pathlib import Path

from pipeline.packed import Packed, replacing
from pipeline.params import PackImages, load
from pipeline.report.figures import copy_figures, save_confusion, save_overlays
from pipeline.report.label_maps import bundled_names, overlay_rows
from pipeline.report.page.contents import Drawn, Inputs, save_run_page
from pipeline.report.paper_tables import save_paper_tables
from pipeline.report.run_facts import run_of
from pipeline.report.summary import gather
from pipeline.report.tables import confusion, iou_per_class, save_tables
from pipeline.runtime import log, run_stage


def main(
    images: Path,
    labels: Path,
    priors: Path,
    pseudolabels: Path,
    saliency: Path,
    masks: Path,
    embeddings: Path,
    clusters: Path,
    results: Path,
    profiles: Path,
    metrics: Path,
    plots: Path,
    page: Path,
) -> None:
    """Write the summary, the tables behind the curves, the figures, and the page that shows it all."""
    params, packed, truth = load(), Packed(images / "target.h5", "images"), Packed(labels / "target.h5", "labels")
    sets = dict.fromkeys((*PackImages.model_fields, params.base.pretraining_set))
    summary = gather(results, sets, params.sweep, params.score_baselines, params.report.digits)
    with replacing(metrics) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")
    save_tables(results, params.sweep.priors, params.report.digits, plots)
    copy_figures(results, plots)
    kept = masks / f"{params.base.pretraining_set}.h5"
    seed, shown = params.bundle_predictor.seed, params.report.overlays
    naming, run = bundled_names(results, params.bundle_predictor.clusters, truth), None
    rows = overlay_rows(packed, truth, kept, embeddings, clusters, seed, naming, shown)
    save_overlays(rows, naming.classes, plots / "overlays.png")
    per_class = iou_per_class(results)
    if per_class is not None:
        run = run_of(params, packed, truth.metadata["classes"], summary["images"])
        save_paper_tables(summary, per_class, run, plots)
        save_confusion(confusion(results, run.data.classes), run.data.classes, plots / "confusion.png")
    inputs = Inputs(images, labels, priors, pseudolabels, saliency, masks, embeddings, clusters, results, profiles)
    save_run_page(page, inputs, params, Drawn(summary, plots, rows, naming, run))
    log.info(
        "reported the metrics in %s and %d files in %s, all on %s", metrics, len(list(plots.iterdir())), plots, page
    )


if __name__ == "__main__":
    run_stage(main)
