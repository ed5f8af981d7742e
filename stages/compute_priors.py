"""Compute a hand-crafted saliency prior of every proposal and benchmark image."""

from pathlib import Path

from pipeline.packed import write_packed
from pipeline.params import load
from pipeline.priors import compute
from pipeline.progress import track
from pipeline.runtime import log, process_pool, run_stage


def main(prior: str, proposal: Path, benchmark: Path, proposal_maps: Path, benchmark_maps: Path) -> None:
    """Write one map per image and set, computed one image per process."""
    settings = load().compute_priors
    with process_pool(compute.__name__) as pool:
        for images, maps in (proposal, proposal_maps), (benchmark, benchmark_maps):
            count, entries = compute.prior_maps(images, prior, settings, pool)
            write_packed(maps, track(entries, f"{prior} {images.stem}", total=count), "maps")
            log.info("%s: %d %s maps", maps, count, prior)


if __name__ == "__main__":
    run_stage(main)
