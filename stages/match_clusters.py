"""Give clusters the names of classes and score the label maps; this is where labels enter.

Writes `confusions.h5` (clusters against classes in pixels, all runs and sizes) and, all of it derived from that file,
`summary.json` ({table: {K: {protocol: mean and s.d. over seeds, in percent}}}), `iou_per_class.csv` (percent),
`mapping.csv` (the class of every cluster) and, where K is the number of classes, `confusion.csv` in pixels for protocol
a and the first seed of the mask embeddings.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.cluster_store import ClusterStore
from pipeline.embedding_store import EmbeddingStore
from pipeline.history import write_results
from pipeline.metrics.confusion import class_iou
from pipeline.packed import Packed
from pipeline.params import load
from pipeline.runtime import log, run_stage
from pipeline.segmentation.clustering_confusions import count_clusterings, read_confusions, write_confusions
from pipeline.segmentation.matching import Match, match_all, summarize
from pipeline.unlabelled import nothing_to_score


def main(embeddings: Path, clusters: Path, labels: Path, out: Path) -> None:
    """Match clusters with classes, all tables, K, seeds and protocols from one pass over the labels."""
    protocols = dict(load().match_clusters)
    store, label_maps = ClusterStore(clusters), Packed(labels, "labels")
    if nothing_to_score(label_maps, out, {f"split {store.metadata['split']}": store.ids}):
        return
    classes, kept = label_maps.metadata["classes"], out / "confusions.h5"
    sizes = sorted({protocol.size for protocol in protocols.values()})
    write_confusions(kept, count_clusterings(store, EmbeddingStore(embeddings), label_maps, sizes), classes)
    matches = list(match_all(read_confusions(kept), protocols))
    write_results(out, summarize(matches))
    write_tables(out, matches, np.array(classes))
    log.info("matched %d clusterings of %d images with the classes", len(matches) // len(protocols), len(store))


def write_tables(out: Path, matches: list[Match], classes: np.ndarray) -> None:
    """Write the tables, one row a class or cluster; classes stand there by name."""
    iou, mapping = [], []
    for found in matches:
        key = (*found.run, found.protocol)
        iou += [(*key, *row) for row in zip(classes, 100 * class_iou(found.confusion), strict=True)]
        mapping += [(*key, *row) for row in enumerate(classes[found.mapping])]
    keys = ["name", "clusters", "seed", "protocol"]
    pd.DataFrame(iou, columns=[*keys, "class", "iou"]).to_csv(out / "iou_per_class.csv", index=False)
    pd.DataFrame(mapping, columns=[*keys, "cluster", "class"]).to_csv(out / "mapping.csv", index=False)
    for found in matches:
        if found.run[:2] == ("maskcontrast", len(classes)) and found.protocol == "a":
            predicted, true = np.indices(found.confusion.shape).reshape(2, -1)
            columns = {"class": classes[true], "predicted": classes[predicted], "pixels": found.confusion.ravel()}
            pd.DataFrame(columns).to_csv(out / "confusion.csv", index=False)
            return


if __name__ == "__main__":
    run_stage(main)
