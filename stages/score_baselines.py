"""Score a network that anyone has trained as the pretrained one is scored.

Writes `summary.json` (in percent, by protocol: `linear`; `kmeans_pixels`; `kmeans_same_foreground` and `retrieve`, of
features pooled over the foreground that MaskContrast found), `iou_per_class.csv` (percent) and `clusters.h5`.
"""

from pathlib import Path

from torch import nn

from pipeline.contrast.foreground_features import foreground_features
from pipeline.embedding_store import EmbeddingStore
from pipeline.errors import InputError
from pipeline.history import write_results
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.masks.saliency_features import load_saliency_features
from pipeline.networks.starting_weights import starting_backbone
from pipeline.params import Baseline, load
from pipeline.runtime import device, log, run_stage
from pipeline.scratch import scratch_area
from pipeline.segmentation.baseline import iou_table, kmeans_scores, linear_scores, retrieval_scores
from pipeline.segmentation.linear_probe import probe
from pipeline.unlabelled import nothing_to_score, of_splits


def main(name: str, images: Path, labels: Path, embeddings: Path, basnet: Path, out: Path) -> None:
    """Score the baseline NAME on IMAGES and LABELS, on the foreground in EMBEDDINGS; BASNET is the saliency network."""
    params = load()
    if name not in params.score_baselines:
        raise InputError(f"params.yaml has no score_baselines.{name}; it has {', '.join(params.score_baselines)}")
    chosen, stride = params.score_baselines[name], params.pretrain.encoder.output_stride
    image_set, label_set, stored = ImageSet(images), LabelSet(labels), EmbeddingStore(embeddings)
    section, splits = params.probe_linear, [params.retrieve.bank, params.retrieve.query]
    if nothing_to_score(
        label_set, out, of_splits(image_set, section.train, section.test, params.cluster.split, *splits)
    ):
        return
    network = baseline_network(chosen, basnet, stride, params.base.seed)
    # Another pretraining changes the foreground alone: the area of the probe depends on nothing that it makes.
    files = [images, labels, *([basnet] if chosen.backbone == "basnet" else [])]
    with scratch_area(f"score_baselines@{name}", files, chosen, section, stride, params.base.seed) as scratch:
        probes = probe(network, image_set, label_set, section, scratch)
    pooled, cells = foreground_features(network, image_set, stored, splits, params.cluster.split, device())
    sets, options = (image_set, stored, label_set), (params.cluster, params.match_clusters)
    kmeans = kmeans_scores(pooled, cells, *sets, options, out / "clusters.h5")
    scores = [linear_scores(probes), kmeans, retrieval_scores(pooled, *sets, params.retrieve)]
    write_results(out, {protocol: found for each in scores for protocol, found in each.summary.items()})
    iou_table(scores, label_set.classes).to_csv(out / "iou_per_class.csv", index=False)
    log.info("scored %s (%s, weights %s)", name, chosen.backbone, chosen.weights or "of the saliency network")


def baseline_network(chosen: Baseline, basnet: Path, stride: int, seed: int) -> nn.Module:
    """The network, in training mode; the last of its maps counts."""
    if chosen.backbone == "basnet":
        return load_saliency_features(basnet, stride)
    return starting_backbone(chosen.backbone, chosen.weights, chosen.sha256, seed, stride, "score_baselines")


if __name__ == "__main__":
    run_stage(main)
