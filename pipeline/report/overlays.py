"""The rows of the figures: a few images with what each step made of them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64, UInt8

from pipeline.cluster_store import ClusterStore
from pipeline.embedding_store import EmbeddingStore
from pipeline.images.codecs import decode_image, decode_labels
from pipeline.images.nearest import nearest
from pipeline.mask_store import MaskStore
from pipeline.packed import Packed
from pipeline.report.figures import MapRow, Overlay
from pipeline.report.tables import cluster_classes, scored


def overlay_rows(
    images: Path, labels: Path, masks: Path, embeddings: Path, clusters: Path, results: Path, count: int
) -> list[Overlay]:
    """Evenly spaced images of the clustered split, painted by the first seed's clustering of MaskContrast.

    Clusters have the colours of their classes, or without any label colours of their own.
    """
    packed, truth, found = Packed(images, "images"), Packed(labels, "labels"), ClusterStore(clusters)
    stored, kept = EmbeddingStore(embeddings), MaskStore(masks)
    chosen = clusters_shown(found, truth)
    seed, run = next(iter(found.runs("maskcontrast", chosen).items()))
    classes: list[str] = truth.metadata["classes"]
    names = cluster_classes(results, classes, chosen, seed) if scored(results) else np.arange(chosen)
    rows = []
    for position in np.linspace(0, len(found.ids) - 1, min(count, len(found.ids))).astype(int):
        image_id = found.ids[position]
        image = decode_image(packed[packed.index(image_id)])
        predicted = paint(stored, image_id, names, int(run.assignments[position]), (image.shape[0], image.shape[1]))
        ground_truth = decode_labels(truth[truth.index(image_id)]) if image_id in truth.ids else None
        mask = kept[kept.index(image_id)] if image_id in kept.ids else None
        rows.append(Overlay(image_id, image, mask, predicted, ground_truth))
    return rows


def clusters_shown(clusters: ClusterStore, labels: Packed) -> int:
    """The K that pictures are made of: the number of classes where it was clustered so, else the smallest."""
    wanted = clusters.clusters("maskcontrast")
    classes = len(labels.metadata["classes"])
    return classes if classes in wanted else wanted[0]


def legend(clusters: Path, labels: Path, results: Path) -> list[str]:
    """What the colours of `overlay_rows` stand for, background first."""
    truth = Packed(labels, "labels")
    if scored(results):
        return truth.metadata["classes"]
    return ["background", *(f"cluster {k}" for k in range(1, clusters_shown(ClusterStore(clusters), truth)))]


def map_rows(
    images: Packed, truth: Packed, sources: Mapping[str, Callable[[str], Float[np.ndarray, "h w"]]], count: int
) -> list[MapRow]:
    """Evenly spaced ones of the images that have ground truth, with the maps of all sources (image id to map)."""
    rows = []
    for i in np.linspace(0, len(truth) - 1, min(count, len(truth))).astype(int).tolist():
        image_id = truth.ids[i]
        image = decode_image(images[images.index(image_id)])
        maps = {name: source(image_id) for name, source in sources.items()}
        rows.append(MapRow(image_id, image, maps, decode_labels(truth[i])))
    return rows


def paint(
    stored: EmbeddingStore, image_id: str, names: Int64[np.ndarray, " k"], assignment: int, size: tuple[int, int]
) -> UInt8[np.ndarray, "h w"]:
    """The label map of one image at its original `size` (height, width): its cluster's class where it is salient."""
    foreground = stored.foreground(stored.index(image_id))
    labels = np.where(foreground, names[assignment + 1], names[0]).astype(np.uint8)
    return nearest(labels, size)
