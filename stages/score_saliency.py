"""Score saliency maps and masks where ground truth exists.

`summary.json` holds {split: {source: scores}} of the benchmark set as `maps`, and the target masks as `masks`. Of the
benchmark set `scores.csv` repeats the scores of all sources, `images.csv` has those of every image, and `gains.csv`
each step minus the one before.
"""

from pathlib import Path

import pandas as pd

from pipeline.history import write_results
from pipeline.mask_store import MaskStore
from pipeline.metrics.chain import Gain, binary_maps, gains, mean_maps, score_steps, stored_maps
from pipeline.metrics.masks import score_masks
from pipeline.packed import Packed
from pipeline.params import load
from pipeline.runtime import log, run_stage


def main(
    images: Path,
    labels: Path,
    priors: Path,
    refined: Path,
    pseudolabels: Path,
    saliency: Path,
    benchmark_masks: Path,
    masks: Path,
    target: Path,
    out: Path,
) -> None:
    """Score the steps from priors to masks on the benchmark set, and the masks of the target set."""
    params, packed, truth = load(), Packed(images, "images"), Packed(labels, "labels")
    settings, seed = params.score_saliency, params.base.seed
    each_prior = {name: stored_maps(priors / f"{name}.h5") for name in params.sweep.priors}
    steps = [
        each_prior,
        {"prior_mean": mean_maps(list(each_prior.values()))},
        {f"refined_{name}": stored_maps(refined / f"{name}.h5") for name in each_prior},
        {"pseudolabels": stored_maps(pseudolabels)},
        {"basnet": stored_maps(saliency)},
        {"masks": binary_maps(benchmark_masks)},
    ]
    maps, by_image, compared = {}, [], []
    for split in packed.split_names or ["all"]:
        ids = [packed.ids[i] for i in packed.split(split)]
        maps[split], found = score_steps(steps, truth, ids, settings.beta_squared)
        by_image += [{"split": split, "source": row.source, "image": row.image, **row.scores} for row in found]
        compared += [(split, *gain) for gain in gains(steps, found, seed, settings.draws)]
    write_results(out, {"maps": maps, "masks": score_masks(MaskStore(masks), Packed(target, "labels"))})
    scores = [{"split": split, "source": name, **row} for split in maps for name, row in maps[split].items()]
    columns = ["split", *Gain._fields]
    for name, table in (("scores", scores), ("images", by_image), ("gains", pd.DataFrame(compared, columns=columns))):
        pd.DataFrame(table).to_csv(out / f"{name}.csv", index=False, float_format="%.6g")
    log.info("scored %d sources on %d images", len(scores), len(truth))


if __name__ == "__main__":
    run_stage(main)
