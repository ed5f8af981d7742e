"""Give clusters the names of classes and score the label maps; this is where labels enter.

Writes `summary.json` ({table: {K: mean and s.d. over seeds, in percent}}), `iou_per_class.csv` (percent),
`mapping.csv` (the class of every cluster) and, where K is the number of classes, `confusion.csv` in pixels
for the first seed of the mask embeddings.
"""

from itertools import groupby
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
from pipeline.segmentation.matching import Match, match_all, mean_and_spread
from pipeline.segmentation.region_counts import count_cells, count_foregrounds


def main(embeddings: Path, clusters: Path, labels: Path, out: Path) -> None:
    """Match clusters with classes, all tables, K and seeds from one pass over the labels."""
    store, label_maps = ClusterStore(clusters), Packed(labels, "labels")
    scored = label_maps, store.ids, store.metadata["split"]
    counts = {
        grid: count_cells(*scored, grid) if grid else count_foregrounds(EmbeddingStore(embeddings), *scored)
        for grid in sorted({store.grid(name) for name in store.names})
    }
    matches = list(match_all(store, counts, load().match_clusters.criterion))
    summary: dict[str, dict[str, object]] = {name: {} for name in store.names}
    for (name, k), runs in groupby(matches, key=lambda found: (found.name, found.clusters)):
        summary[name][str(k)] = mean_and_spread(list(runs))
    write_results(out, summary)
    write_tables(out, matches, np.array(label_maps.metadata["classes"]))
    log.info("matched %d clusterings of %d images with the classes", len(matches), len(store))


def write_tables(out: Path, matches: list[Match], classes: np.ndarray) -> None:
    """Write the tables, one row a class or cluster; classes stand there by name."""
    keys = ["name", "clusters", "seed"]
    iou = [
        (*found[:3], *row) for found in matches for row in zip(classes, 100 * class_iou(found.confusion), strict=True)
    ]
    pd.DataFrame(iou, columns=[*keys, "class", "iou"]).to_csv(out / "iou_per_class.csv", index=False)
    mapping = [(*found[:3], *row) for found in matches for row in enumerate(classes[found.mapping])]
    pd.DataFrame(mapping, columns=[*keys, "cluster", "class"]).to_csv(out / "mapping.csv", index=False)
    for found in matches:
        if found.name == "maskcontrast" and found.clusters == len(classes):
            predicted, true = np.indices(found.confusion.shape).reshape(2, -1)
            columns = {"class": classes[true], "predicted": classes[predicted], "pixels": found.confusion.ravel()}
            pd.DataFrame(columns).to_csv(out / "confusion.csv", index=False)
            return


if __name__ == "__main__":
    run_stage(main)
