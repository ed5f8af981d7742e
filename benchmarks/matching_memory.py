"""Peak memory of scoring clusterings of 1,449 images of 500x375 under all protocols (ours) against that of 96 images.

Mask embeddings with 21 and 500 clusters and 16 x 16 cells of pixels with 21, five seeds each, from files as the stages
write them; each number of images in a process of its own. `growth_mib` is what the additional images cost.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import matching
from benchmarks.measure import in_subprocess, peak_growth, published
from pipeline.cluster_store import Clustering, ClusterStore, NamedClusterings, Projection, write_clusters
from pipeline.embedding_store import EmbeddingStore, write_embeddings
from pipeline.images.codecs import encode_png
from pipeline.packed import Packed, write_packed
from pipeline.params import MatchClusters
from pipeline.segmentation.clustering_confusions import count_clusterings
from pipeline.segmentation.matching import match_all, summarize

MANY, FEW, SEEDS, GRID = 1449, 96, 5, 16
CLASSES, OVER_CLUSTERS = matching.CLASSES, 500


def run() -> dict[str, object]:
    """MiB that scoring takes above what was in memory before."""
    with tempfile.TemporaryDirectory() as folder:
        ours, reference = (_grown(Path(folder) / str(images), images) for images in (MANY, FEW))
    return {
        "ratio": reference / ours,
        "ours": ours,
        "reference": reference,
        "unit": "MiB",
        "growth_mib": ours - reference,
    }


def write_inputs(folder: Path, images: int) -> None:
    """The files that `match_clusters` reads, the scenes of benchmark `matching` over and over."""
    rng = np.random.default_rng(0)
    foregrounds, _, labels = matching.scenes(rng)
    ids = [f"{i:06d}" for i in range(images)]
    squares, encoded = foregrounds.view(np.uint8) * 255, [encode_png(label_map) for label_map in labels]
    stored = (squares[i % len(squares)] for i in range(images))
    tables = {"maskcontrast": np.ones((images, 1), dtype=np.float32)}
    write_embeddings(folder / "embeddings.h5", ids, stored, tables, matching.SIDE, {"threshold": 0.5})
    entries = [(image_id, encoded[i % len(encoded)]) for i, image_id in enumerate(ids)]
    write_packed(folder / "labels.h5", entries, "labels", metadata={"classes": [str(c) for c in range(CLASSES)]})
    projection = Projection(np.zeros(1, dtype=np.float32), np.ones((1, 1), dtype=np.float32))
    runs = {k: _random_runs(rng, images, k - 1) for k in (CLASSES, OVER_CLUSTERS)}
    cells = {CLASSES: _random_runs(rng, images * GRID * GRID, CLASSES)}
    named = {
        "maskcontrast": NamedClusterings(projection, runs),
        "start_pixels": NamedClusterings(projection, cells, GRID),
    }
    write_clusters(folder / "clusters.h5", ids, named, {"split": "val"})


def _random_runs(rng: np.random.Generator, assigned: int, k: int) -> dict[int, Clustering]:
    centroids = np.zeros((k, 1), dtype=np.float32)
    return {s: Clustering(rng.integers(0, k, assigned, dtype=np.int32), centroids, 0.0) for s in range(SEEDS)}


def _grown(folder: Path, images: int) -> float:
    write_inputs(folder, images)
    return in_subprocess("benchmarks.matching_memory", str(folder)) / 2**20


def _score(folder: Path) -> None:
    protocols = dict(MatchClusters.model_validate(published("match_clusters")))
    store, labels = ClusterStore(folder / "clusters.h5"), Packed(folder / "labels.h5", "labels")
    sizes = sorted({protocol.size for protocol in protocols.values()})
    found = count_clusterings(store, EmbeddingStore(folder / "embeddings.h5"), labels, sizes)
    summarize(list(match_all(found, protocols)))


if __name__ == "__main__":
    print(peak_growth(lambda: _score(Path(sys.argv[1]))))
