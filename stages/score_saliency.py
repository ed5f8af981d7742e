"""Score saliency maps and masks where ground truth exists.

`summary.json` holds {split: {source: scores}} of the benchmark set as `maps`, and the pretraining set's masks as
`masks`. Of the benchmark set `scores.csv` repeats all scores, `images.csv` has those of every image, `gains.csv` each
step minus the one before, and `maps.png` shows a few images.
"""

from pathlib import Path

from pipeline.history import write_results
from pipeline.mask_store import MaskStore
from pipeline.metrics.chain import binary_maps, mean_maps, score_splits, sources_of, stored_maps
from pipeline.metrics.masks import score_masks
from pipeline.packed import Packed
from pipeline.params import load
from pipeline.report.figures import save_maps
from pipeline.report.overlays import map_rows
from pipeline.runtime import log, run_stage


def main(
    images: Path,
    labels: Path,
    priors: Path,
    refined: Path,
    pseudolabels: Path,
    saliency: Path,
    masks: Path,
    pretraining: Path,
    out: Path,
) -> None:
    """Score the steps from priors to masks on the benchmark set, and the masks of the pretraining set."""
    params, packed, truth = load(), Packed(images, "images"), Packed(labels, "labels")
    settings = params.score_saliency
    each_prior = {name: stored_maps(priors / f"{name}.h5") for name in params.sweep.priors}
    steps = [
        each_prior,
        {"prior_mean": mean_maps(list(each_prior.values()))},
        {f"refined_{name}": stored_maps(refined / f"{name}.h5") for name in each_prior},
        {"pseudolabels": stored_maps(pseudolabels)},
        {"basnet": stored_maps(saliency)},
        {"masks": binary_maps(masks / "benchmark.h5")},
    ]
    maps, tables = score_splits(steps, packed, truth, settings, params.base.seed)
    kept = MaskStore(masks / pretraining.name)
    write_results(out, {"maps": maps, "masks": score_masks(kept, Packed(pretraining, "labels"))})
    for name, table in tables.items():
        table.to_csv(out / f"{name}.csv", index=False, float_format="%.6g")
    save_maps(map_rows(packed, truth, sources_of(steps), settings.pictures), out / "maps.png")
    log.info("scored %d sources on %d images", len(tables["scores"]), len(truth))


if __name__ == "__main__":
    run_stage(main)
