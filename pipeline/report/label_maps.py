"""Label maps of a few images, painted by the clustering that predictions use, and what its clusters are called."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from pipeline.cluster_names import BACKGROUND, ClusterNames, named, read_table
from pipeline.cluster_store import ClusterStore
from pipeline.embedding_store import EmbeddingStore
from pipeline.images.codecs import decode_image, decode_labels
from pipeline.images.nearest import nearest
from pipeline.mask_store import MaskStore
from pipeline.packed import Packed
from pipeline.report.figures import Overlay


def bundled_names(results: Path, clusters: int, labels: Packed) -> ClusterNames:
    """What the bundled model calls its clusters; the classes of the labels come first among its classes."""
    names = read_table(results / "bundle_predictor" / "names.csv", clusters).names
    return named(dict(list(enumerate(names))[1:]), clusters, labels.metadata["classes"] or (BACKGROUND,))


def overlay_rows(
    images: Packed,
    truth: Packed,
    masks: Path,
    embeddings: Path,
    clusters: Path,
    seed: int,
    naming: ClusterNames,
    count: int,
) -> list[Overlay]:
    """Evenly spaced images of the clustered split, painted by one seed's clustering of MaskContrast.

    What is salient has the number of its cluster's name among the classes of `naming`, as the truth has of its class.
    """
    found, stored, kept = ClusterStore(clusters), EmbeddingStore(embeddings), MaskStore(masks)
    assignments = found.runs("maskcontrast", len(naming.names))[seed].assignments
    rows = []
    for position in np.linspace(0, len(found.ids) - 1, min(count, len(found.ids))).astype(int):
        image_id = found.ids[position]
        image = decode_image(images[images.index(image_id)])
        predicted = paint(stored, image_id, naming, int(assignments[position]), (image.shape[0], image.shape[1]))
        ground_truth = decode_labels(truth[truth.index(image_id)]) if image_id in truth.ids else None
        mask = kept[kept.index(image_id)] if image_id in kept.ids else None
        rows.append(Overlay(image_id, image, mask, predicted, ground_truth))
    return rows


def paint(
    stored: EmbeddingStore, image_id: str, naming: ClusterNames, assignment: int, size: tuple[int, int]
) -> UInt8[np.ndarray, "h w"]:
    """The label map of one image at its original `size` (height, width): its cluster's class where it is salient."""
    foreground = stored.foreground(stored.index(image_id))
    return nearest(foreground * naming.class_of[assignment + 1], size)
