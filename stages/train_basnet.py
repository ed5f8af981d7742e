"""Train BAS-Net on the fused pseudo-labels."""

from pathlib import Path

from pipeline import params
from pipeline.history import History, write_results
from pipeline.images.datasets import ImageSet
from pipeline.masks.basnet_file import save_basnet
from pipeline.masks.basnet_start import starting_basnet
from pipeline.masks.targets import open_targets
from pipeline.masks.training import train, with_object
from pipeline.runtime import log, run_stage
from pipeline.scratch import scratch_area


def main(images: Path, targets: Path, start: Path, model: Path, results: Path) -> None:
    """Train BAS-Net on IMAGES and TARGETS, its encoder from START; write MODEL, and how it went to RESULTS."""
    settings, seed = params.load().train_basnet, params.load().base.seed
    image_set = ImageSet(images)
    maps = open_targets(targets, image_set, settings)
    indices, history = with_object(maps, settings), History()
    network = starting_basnet(start, settings, seed)
    with scratch_area("train_basnet", [images, targets, start], settings, seed) as scratch:
        train(network, image_set, maps, indices, settings, seed, history, scratch)
        save_basnet(model, network, settings)
        last = history.rows[-1] if history.rows else {"epoch": 0}
        summary = {"images": len(indices), "without_object": len(image_set) - len(indices), **last}
        write_results(results, summary, history)
    course = ", ".join(f"{name} {value:.4g}" for name, value in last.items())
    log.info("trained BAS-Net on %d of %d images: %s", len(indices), len(image_set), course)


if __name__ == "__main__":
    run_stage(main)
