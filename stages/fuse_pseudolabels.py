"""Fuse the refined maps into one pseudo-label, a network under the mean of their losses (DeepUSPS phase 2)."""

from pathlib import Path

from pipeline.history import History, write_results
from pipeline.images.datasets import ImageSet, MapSet
from pipeline.params import load
from pipeline.pseudolabels.fusion import fuse
from pipeline.pseudolabels.maps import square_images, square_maps, write_maps
from pipeline.pseudolabels.network import SoftTargets
from pipeline.pseudolabels.refinement import REFINED_THRESHOLD, prior_threshold
from pipeline.runtime import log, run_stage
from pipeline.scratch import scratch_area


def main(
    images: Path, benchmark: Path, maps: Path, weights: Path, out: Path, benchmark_out: Path, results: Path
) -> None:
    """Learn from MAPS, a folder with one file a prior; predict the IMAGES, and the BENCHMARK that it never sees."""
    loaded = load()
    settings, priors = loaded.fuse_pseudolabels, loaded.sweep.priors
    image_set, benchmark_set = ImageSet(images), ImageSet(benchmark)
    map_sets = [MapSet(maps / f"{prior}.h5") for prior in priors]
    for map_set in map_sets:
        image_set.require_ids(map_set)
    history, seed = History(), loaded.base.seed
    files = [images, benchmark, weights, *(map_set.path for map_set in map_sets)]
    thresholds, factor = loaded.refine_pseudolabels.thresholds, loaded.refine_pseudolabels.threshold_factor
    with scratch_area("fuse_pseudolabels", files, settings, thresholds, factor, seed) as scratch:
        squares, unseen = (square_images(each, settings.size, scratch) for each in (image_set, benchmark_set))
        targets, raw = [], settings.targets_from == "priors/proposal"
        for prior, map_set in zip(priors, map_sets, strict=True):
            taught = square_maps(map_set, settings.size, scratch)
            threshold = prior_threshold(taught, prior, thresholds, factor) if raw else REFINED_THRESHOLD
            targets.append(SoftTargets(taught, threshold))
        fused, scored = fuse(squares, unseen, targets, weights, settings, seed, history, scratch)
        count = write_maps(out, image_set, fused)
        benchmark_count = write_maps(benchmark_out, benchmark_set, scored)
        summary = {"images": count, "priors": list(priors), "fused_mean": round(float(fused.mean()), 6)}
        write_results(results, summary, history)
    log.info("fused %s: pseudo-labels of %d images, and of %d benchmark images", priors, count, benchmark_count)


if __name__ == "__main__":
    run_stage(main)
