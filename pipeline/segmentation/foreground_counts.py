"""What the evaluation needs of the labels: pixels of every class outside and inside an image's predicted foreground.

Matching and retrieval give an image's whole foreground one cluster or class, so these 2 x C numbers an image decide
every confusion matrix exactly: labels and saliency are decoded once, and any number of clusterings costs additions.
"""

import numpy as np
from jaxtyping import Bool, Int64, Integer, UInt8
from PIL import Image

from pipeline.embedding_store import EmbeddingStore
from pipeline.errors import InputError
from pipeline.images.codecs import decode_labels
from pipeline.metrics.confusion import joint_counts, known_columns
from pipeline.packed import Packed
from pipeline.progress import track


def count_split(embeddings: EmbeddingStore, labels: Packed, ids: list[str], split: str) -> Int64[np.ndarray, "n 2 c"]:
    """`count_image` of the named images; InputError when one has no label map or a class without a name."""
    if not len(labels):
        raise InputError(f"{labels.path} holds no label map, so split {split} cannot be scored; stop at `cluster`")
    classes = len(labels.metadata["classes"])
    counts = np.zeros((len(ids), 2, classes), dtype=np.int64)
    for i, image_id in enumerate(track(ids, f"count {split}")):
        label_map = decode_labels(labels[labels.index(image_id)])
        foreground = embeddings.foreground(embeddings.index(image_id))
        counts[i] = known_columns(count_image(foreground, label_map), classes, f"the label map of {image_id}")
    return counts


def count_image(foreground: Bool[np.ndarray, "s s"], labels: UInt8[np.ndarray, "h w"]) -> Int64[np.ndarray, "2 256"]:
    """Pixels of every label on the background (row 0) and the foreground (row 1), at the size of the label map."""
    height, width = labels.shape
    resized = Image.fromarray(foreground.view(np.uint8)).resize((width, height), Image.Resampling.NEAREST)
    return joint_counts(np.asarray(resized), labels, 2)


def painted_confusion(
    rows: Integer[np.ndarray, " n"], counts: Int64[np.ndarray, "n 2 c"], k: int
) -> Int64[np.ndarray, "{k} c"]:
    """Confusion matrix of label maps that are `rows[i]` on the foreground of image i and 0 elsewhere."""
    confusion = np.zeros((k, counts.shape[2]), dtype=np.int64)
    np.add.at(confusion, rows, counts[:, 1])
    confusion[0] += counts[:, 0].sum(axis=0)
    return confusion
