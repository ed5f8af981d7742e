"""Predict the saliency of the target and benchmark images with BAS-Net."""

from functools import partial
from pathlib import Path

from pipeline import params
from pipeline.images.datasets import ImageSet
from pipeline.launch import run_shared_stage
from pipeline.masks.basnet_file import load_basnet
from pipeline.masks.prediction import predict, provenance
from pipeline.parts import write_in_parts
from pipeline.runtime import log
from pipeline.scratch import scratch_area


def main(model: Path, target: Path, benchmark: Path, target_out: Path, benchmark_out: Path) -> None:
    """Predict the saliency of TARGET and BENCHMARK with MODEL; write one grey map an image to either output."""
    settings = params.load().predict_saliency
    network, config = load_basnet(model)
    metadata = provenance(model, config, settings)
    with scratch_area("predict_saliency", [model, target, benchmark], settings) as scratch:
        for name, images, out in (("target", target, target_out), ("benchmark", benchmark, benchmark_out)):
            image_set = ImageSet(images)
            compute = partial(predict, network, image_set, settings)
            write_in_parts(out, len(image_set), settings.batch, compute, "maps", scratch.inner(name), metadata)
            log.info("predicted the saliency of %d images of %s", len(image_set), image_set.path)


if __name__ == "__main__":
    run_shared_stage(main, patience=24 * 60)  # with fewer batches left than processes, most wait for one
