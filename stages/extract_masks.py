"""Threshold saliency into object masks, clean them, reject images without an object."""

from pathlib import Path

from pipeline import params
from pipeline.history import write_results
from pipeline.mask_store import MaskStore, write_masks
from pipeline.masks.cleanup import accepted_areas, area_histogram, clean_masks, sizes_of
from pipeline.packed import Packed
from pipeline.runtime import log, run_stage


def main(target: Path, benchmark: Path, masks: Path, benchmark_masks: Path, results: Path) -> None:
    """Make the object masks of the maps in TARGET and BENCHMARK; write how large the first are to RESULTS."""
    settings = params.load().extract_masks
    for saliency, out in ((target, masks), (benchmark, benchmark_masks)):
        maps = Packed(saliency, "maps")
        write_masks(out, maps.ids, sizes_of(maps), clean_masks(maps, settings))
    stored = MaskStore(masks)
    areas = accepted_areas(stored)
    rejected, mean = len(stored) - len(areas), float(areas.mean()) if len(areas) else 0.0
    write_results(results, {"images": len(stored), "rejected": rejected, "mean_area": mean})
    area_histogram(areas).write_csv(results / "areas.csv")
    log.info("extracted %d masks, mean area %.3f, and rejected %d images", len(areas), mean, rejected)


if __name__ == "__main__":
    run_stage(main)
