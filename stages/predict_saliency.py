"""Predict the saliency of the target and benchmark images with BAS-Net."""

from pathlib import Path

from pipeline import params
from pipeline.images.datasets import ImageSet
from pipeline.masks.basnet_file import load_basnet
from pipeline.masks.prediction import predict, provenance
from pipeline.packed import write_packed
from pipeline.runtime import log, run_stage


def main(model: Path, target: Path, benchmark: Path, target_out: Path, benchmark_out: Path) -> None:
    """Predict the saliency of TARGET and BENCHMARK with MODEL; write one grey map an image to either output."""
    settings = params.load().predict_saliency
    network, config = load_basnet(model)
    metadata = provenance(model, config, settings)
    for images, out in ((target, target_out), (benchmark, benchmark_out)):
        count = write_packed(out, predict(network, ImageSet(images), settings), "maps", metadata=metadata)
        log.info("predicted the saliency of %d images of %s", count, images)


if __name__ == "__main__":
    run_stage(main)
