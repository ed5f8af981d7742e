"""Score saliency maps and masks where ground truth exists.

`summary.json` holds {split: {source: scores}} of the benchmark set as `maps`, and the target masks as `masks`.
"""

from pathlib import Path

import numpy as np

from pipeline.history import write_results
from pipeline.images.codecs import decode_labels, decode_map
from pipeline.mask_store import MaskStore
from pipeline.metrics.confusion import Confusion
from pipeline.metrics.saliency import SaliencyScores, mask_scores, object_labels
from pipeline.packed import Packed
from pipeline.params import load
from pipeline.progress import track
from pipeline.runtime import log, run_stage


def main(
    images: Path, labels: Path, priors: Path, pseudolabels: Path, saliency: Path, masks: Path, target: Path, out: Path
) -> None:
    """Score priors, their mean, pseudo-labels and BAS-Net maps on the benchmark set, and masks on the target set."""
    params = load()
    beta_squared = params.score_saliency.beta_squared
    packed, truth = Packed(images, "images"), Packed(labels, "labels")
    sources = {name: [Packed(priors / f"{name}.h5", "maps")] for name in params.sweep.priors}
    sources["prior_mean"] = [maps for (maps,) in sources.values()]
    sources |= {"pseudolabels": [Packed(pseudolabels, "maps")], "basnet": [Packed(saliency, "maps")]}
    scores: dict[str, dict[str, object]] = {}
    for split in packed.split_names or ["all"]:
        ids = {packed.ids[i] for i in packed.split(split)}
        scores[split] = {name: score_maps(maps, truth, ids, beta_squared) for name, maps in sources.items()}
    mask_summary = score_masks(MaskStore(masks), Packed(target, "labels"))
    write_results(out, {"maps": scores, "masks": mask_summary})
    log.info("scored %d sources on %d images and %d masks", len(sources), len(truth), mask_summary["images"])


def score_maps(sources: list[Packed], truth: Packed, ids: set[str], beta_squared: float) -> dict[str, int | float]:
    """Scores of the mean of the given maps on those of the images that have ground truth."""
    scores = SaliencyScores(beta_squared)
    for image_id in track(sorted(ids.intersection(truth.ids)), "score maps"):
        maps = [decode_map(source[source.index(image_id)]) for source in sources]
        scores.add(np.mean(maps, axis=0), decode_labels(truth[truth.index(image_id)]))
    return scores.summary()


def score_masks(masks: MaskStore, truth: Packed) -> dict[str, int | float]:
    """Scores of the kept masks on the images that have labels, and how many of these images were rejected."""
    confusion, rows = Confusion(2, 2), [masks.index(image_id) for image_id in truth.ids]
    for i, row in enumerate(track(rows, "score masks")):
        if not masks.rejected[row]:
            confusion.add(masks[row].view(np.uint8), object_labels(decode_labels(truth[i])))
    counts: dict[str, int | float] = {"images": len(truth), "rejected": int(masks.rejected[rows].sum())}
    return counts | mask_scores(confusion) if rows else counts


if __name__ == "__main__":
    run_stage(main)
