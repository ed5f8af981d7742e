"""Learn pixel embeddings by contrasting object masks."""

from pathlib import Path

from pipeline import params
from pipeline.contrast.pretraining import pretrain
from pipeline.history import write_results
from pipeline.images.datasets import ImageSet
from pipeline.mask_store import MaskStore
from pipeline.runtime import device, log, run_stage


def main(images: Path, masks: Path, start: Path, out: Path, results: Path) -> None:
    """Pretrain the encoder on IMAGES and their MASKS from the START weights; OUT is the network, RESULTS its losses."""
    settings = params.load()
    encoder, summary, history = pretrain(
        ImageSet(images), MaskStore(masks), start, settings.pretrain, settings.base.seed, device()
    )
    encoder.save(out)
    write_results(results, summary, history)
    log.info("pretrained on %(used)d images (%(without_mask)d without a mask), loss %(loss).3f", summary)


if __name__ == "__main__":
    run_stage(main)
