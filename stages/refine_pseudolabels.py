"""Refine one prior by self-training, a network over all images with moving average and CRF (DeepUSPS phase 1)."""

from pathlib import Path

from pipeline.history import History, write_results
from pipeline.images.datasets import ImageSet, MapSet
from pipeline.params import load
from pipeline.pseudolabels.maps import square_images, square_maps, write_maps
from pipeline.pseudolabels.refinement import prior_threshold, refine
from pipeline.runtime import log, run_stage
from pipeline.scratch import scratch_area


def main(prior: str, images: Path, maps: Path, weights: Path, out: Path, results: Path) -> None:
    """Refine the prior MAPS of the proposal IMAGES, each round from the same starting WEIGHTS."""
    loaded = load()
    settings, seed = loaded.refine_pseudolabels, loaded.base.seed
    image_set, map_set = ImageSet(images), MapSet(maps)
    image_set.require_ids(map_set)
    history = History()
    with scratch_area(f"refine_pseudolabels@{prior}", [images, maps, weights], settings, seed) as scratch:
        squares = square_images(image_set, settings.size, scratch)
        prior_maps = square_maps(map_set, settings.size, scratch)
        refined = refine(squares, prior_maps, weights, settings, seed, history, scratch)
        count = write_maps(out, image_set, refined)
        summary = {
            "prior": prior,
            "images": count,
            "threshold": round(prior_threshold(prior_maps, settings.threshold_factor), 6),
            "prior_mean": round(float(prior_maps.numpy().mean()) / 255, 6),
            "refined_mean": round(float(refined.mean()), 6),
        }
        write_results(results, summary, history)
    log.info("refined the %s maps of %d images in %d rounds", prior, count, settings.rounds)


if __name__ == "__main__":
    run_stage(main)
