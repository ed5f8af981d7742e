"""Embed every image: predicted saliency and the mean embedding of its salient pixels."""

from pathlib import Path

from pipeline import params
from pipeline.contrast.embedding import embed_set
from pipeline.contrast.encoder import load_encoder
from pipeline.embedding_store import EmbeddingStore
from pipeline.images.datasets import ImageSet
from pipeline.launch import run_shared_stage
from pipeline.networks.backbone import load_backbone
from pipeline.runtime import device, log
from pipeline.scratch import scratch_area


def main(images: Path, start: Path, encoder: Path, out: Path) -> None:
    """Embed IMAGES with the pretrained ENCODER, and with the START weights as a baseline, into OUT."""
    settings = params.load().embed
    pretrained = load_encoder(encoder)
    baseline = load_backbone(start, pretrained.settings.output_stride)
    packed = ImageSet(images)
    with scratch_area("embed", [images, start, encoder], settings) as scratch:
        embed_set(packed, pretrained, baseline, settings, device(), out, scratch)
    empty = (~EmbeddingStore(out).embeddings("maskcontrast").any(axis=1)).sum()
    log.info("embedded %d images, %d of them without a salient object -> %s", len(packed), empty, out)


if __name__ == "__main__":
    run_shared_stage(main, patience=24 * 60)  # with fewer batches left than processes, most wait for one
