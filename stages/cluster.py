"""Cluster the mask embeddings of one split, and the starting weights' pixels, for all seeds and K; no label is read."""

from pathlib import Path

from pipeline.cluster_store import write_clusters
from pipeline.embedding_store import EmbeddingStore
from pipeline.packed import Packed
from pipeline.params import load
from pipeline.runtime import log, run_stage
from pipeline.segmentation.kmeans import cluster_cells, cluster_embeddings


def main(images: Path, embeddings: Path, out: Path) -> None:
    """Cluster every embedding table with K-means, and as `start_pixels` the cells of the starting weights' features."""
    options = load().cluster
    packed, store = Packed(images, "images"), EmbeddingStore(embeddings)
    store.require_ids(packed)
    members = packed.split(options.split)
    clusterings = {name: cluster_embeddings(name, store.embeddings(name)[members], options) for name in store.names}
    clusterings["start_pixels"] = cluster_cells("start_pixels", store.cells("start"), options)
    write_clusters(out, [packed.ids[i] for i in members], clusterings, {"split": options.split})
    log.info(
        "clustered %d images of %s: %s, K %s, %d seeds",
        len(members),
        options.split,
        ", ".join(sorted(clusterings)),
        ", ".join(map(str, options.clusters)),
        len(options.seeds),
    )


if __name__ == "__main__":
    run_stage(main)
