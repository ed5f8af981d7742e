"""Gather the results of all stages into the metrics and plots that git tracks."""

import json
from pathlib import Path

from pipeline.packed import Packed, replacing
from pipeline.params import PackImages, load
from pipeline.report.figures import copy_figures, save_confusion, save_overlays
from pipeline.report.overlays import legend, overlay_rows
from pipeline.report.paper_tables import save_paper_tables
from pipeline.report.run_facts import data_set, pretrained_on, run_facts
from pipeline.report.summary import gather
from pipeline.report.tables import confusion, iou_per_class, save_tables, scored
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
    save_tables(results, params.sweep.priors, params.report.digits, plots)
    copy_figures(results, plots)
    rows = overlay_rows(images, labels, masks, embeddings, clusters, results, params.report.overlays)
    save_overlays(rows, legend(clusters, labels, results), plots / "overlays.png")
    if scored(results):
        classes, folder = Packed(labels, "labels").metadata["classes"], params.pack_images.target.source
        splits = params.probe_linear.train, params.probe_linear.test
        target = data_set(folder, Packed(images, "images"), splits, classes)
        source = pretrained_on(params.base.pretraining_set, target, summary["images"], params.pretrain)
        chosen = params.prepare_weights, params.train_basnet, params.extract_masks, params.pretrain
        judged = params.embed.features, params.cluster.split
        save_paper_tables(summary, iou_per_class(results), run_facts(target, source, *chosen, *judged), plots)
        save_confusion(confusion(results, classes), classes, plots / "confusion.png")
    log.info("reported the metrics in %s and %d files in %s", metrics, len(list(plots.iterdir())), plots)


if __name__ == "__main__":
    run_stage(main)
