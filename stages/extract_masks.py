"""Make object masks, clean them, and reject images without an object.

Writes `summary.json`, `areas.csv` (how many masks have which area) and `rejected.csv` (which images have none, why,
and the area that was found); areas are fractions of the image.
"""

from pathlib import Path

import pandas as pd

from pipeline import params
from pipeline.history import write_results
from pipeline.mask_store import MaskStore, write_masks
from pipeline.masks.cleanup import area_fractions, area_histogram
from pipeline.masks.proposals import object_maps, open_proposals
from pipeline.packed import Packed
from pipeline.runtime import log, run_stage


def main(target: Path, benchmark: Path, source: Path, masks: Path, benchmark_masks: Path, results: Path) -> None:
    """Make the object masks of the images in TARGET and BENCHMARK from what SOURCE proposes; write both.

    How large those of TARGET are, and which images have none, goes to RESULTS.
    """
    settings = params.load().extract_masks
    for images, out in ((benchmark, benchmark_masks), (target, masks)):
        image_set = Packed(images, "images")
        proposals = open_proposals(image_set, source, settings)
        found = object_maps(image_set, proposals, settings)
        write_masks(out, image_set.ids, image_set.sizes, found, proposals.metadata, proposals.rejected)
    store = MaskStore(masks)
    areas, kept = area_fractions(store), ~store.rejected
    mean = float(areas[kept].mean()) if kept.any() else 0.0
    write_results(results, {"images": len(store), "rejected": int(store.rejected.sum()), "mean_area": mean})
    area_histogram(areas[kept]).write_csv(results / "areas.csv")
    table = pd.DataFrame({"id": store.ids, "reason": store.reasons, "area": areas})
    table[store.rejected].to_csv(results / "rejected.csv", index=False, float_format="%.6g")
    log.info("extracted %d masks, mean area %.3f, and rejected %d images", kept.sum(), mean, store.rejected.sum())


if __name__ == "__main__":
    run_stage(main)
