"""Refine one prior by self-training, a network over all images with moving average and CRF (DeepUSPS phase 1)."""

from pathlib import Path

from pipeline.history import History, write_results
from pipeline.images.datasets import ImageSet, MapSet
from pipeline.params import load
from pipeline.pseudolabels.maps import square_images, square_maps, write_maps
from pipeline.pseudolabels.refinement import prior_threshold, refine
from pipeline.runtime import log, run_stage
from pipeline.scratch import scratch_area


def main(
    prior: str, images: Path, benchmark: Path, maps: Path, weights: Path, out: Path, benchmark_out: Path, results: Path
) -> None:
    """Refine the prior MAPS of the proposal IMAGES; the network predicts the BENCHMARK, which it never sees."""
    loaded = load()
    settings, seed = loaded.refine_pseudolabels, loaded.base.seed
    image_set, benchmark_set, map_set = ImageSet(images), ImageSet(benchmark), MapSet(maps)
    image_set.require_ids(map_set)
    history = History()
    with scratch_area(f"refine_pseudolabels@{prior}", [images, benchmark, maps, weights], settings, seed) as scratch:
        squares, unseen = (square_images(each, settings.size, scratch) for each in (image_set, benchmark_set))
        prior_maps = square_maps(map_set, settings.size, scratch)
        threshold = prior_threshold(prior_maps, prior, settings.thresholds, settings.threshold_factor)
        refined, scored = refine(squares, unseen, prior_maps, threshold, weights, settings, seed, history, scratch)
        count = write_maps(out, image_set, refined)
        write_maps(benchmark_out, benchmark_set, scored)
        summary = {
            "prior": prior,
            "images": count,
            "threshold": round(threshold, 6),
            "prior_mean": round(float(prior_maps.numpy().mean()) / 255, 6),
            "refined_mean": round(float(refined.mean()), 6),
        }
        write_results(results, summary, history)
    log.info("refined the %s maps of %d images in %d rounds", prior, count, len(settings.learning_rates))


if __name__ == "__main__":
    run_stage(main)
