"""Cluster one split by mask embeddings, and by pixels where cells are kept, for all seeds and K; no label is read."""

from pathlib import Path

from pipeline.cluster_store import write_clusters
from pipeline.embedding_store import EmbeddingStore
from pipeline.packed import Packed
from pipeline.params import load
from pipeline.runtime import log, run_stage
from pipeline.segmentation.kmeans import cluster_cells, cluster_embeddings


def main(images: Path, embeddings: Path, out: Path) -> None:
    """Cluster every embedding table with K-means, and as `<network>_pixels` the cells that are kept of a network."""
    options = load().cluster
    packed, store = Packed(images, "images"), EmbeddingStore(embeddings)
    store.require_ids(packed)
    members = packed.split(options.split)
    clusterings = {name: cluster_embeddings(name, store.embeddings(name)[members], options) for name in store.names}
    for name in store.cell_names:
        pixels = f"{name}_pixels"
        clusterings[pixels] = cluster_cells(pixels, store.cells(name, members), options)
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
