"""Learn pixel embeddings by contrasting object masks."""

from pathlib import Path

from pipeline import params
from pipeline.contrast.pretraining import pretrain
from pipeline.history import write_results
from pipeline.images.datasets import ImageSet
from pipeline.launch import rank, run_shared_stage
from pipeline.mask_store import MaskStore
from pipeline.runtime import device, log
from pipeline.scratch import scratch_area


def main(images: Path, masks: Path, start: Path, out: Path, results: Path) -> None:
    """Pretrain the encoder on IMAGES and their MASKS from the START weights; OUT is the network, RESULTS its losses."""
    settings, seed = params.load().pretrain, params.load().base.seed
    image_set, mask_set = ImageSet(images), MaskStore(masks)
    with scratch_area("pretrain", [images, masks, start], settings, seed) as scratch:
        encoder, summary, history = pretrain(image_set, mask_set, start, settings, seed, device(), scratch)
        if rank() == 0:
            encoder.save(out)
            write_results(results, summary, history)
    if history.rows:
        log.info("pretrained on %(used)d images (%(without_mask)d without a mask), loss %(loss).3f", summary)
    else:
        log.info("took %s as it is", settings.weights)


if __name__ == "__main__":
    run_shared_stage(main)
