"""Embed every image: predicted saliency and the mean embedding of its salient pixels."""

from pathlib import Path

from pipeline import params
from pipeline.contrast.embedding import embed_set
from pipeline.contrast.encoder import load_encoder
from pipeline.images.datasets import ImageSet
from pipeline.networks.backbone import load_backbone
from pipeline.runtime import device, log, run_stage


def main(images: Path, start: Path, encoder: Path, out: Path) -> None:
    """Embed IMAGES with the pretrained ENCODER, and with the START weights as a baseline, into OUT."""
    pretrained = load_encoder(encoder)
    baseline = load_backbone(start, pretrained.settings.output_stride)
    packed = ImageSet(images)
    settings = params.load()
    empty = embed_set(packed, pretrained, baseline, settings.embed, settings.cluster.split, device(), out)
    log.info("embedded %d images, %d of them without a salient object -> %s", len(packed), empty, out)


if __name__ == "__main__":
    run_stage(main)
