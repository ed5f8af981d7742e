"""Label the salient segments of one split by their nearest labelled segment in another.

Writes `summary.json` ({table: mIoU and pixel accuracy in percent, number of segments}) and `iou_per_class.csv`.
"""

from pathlib import Path

import pandas as pd

from pipeline.embedding_store import EmbeddingStore
from pipeline.history import write_results
from pipeline.metrics.confusion import class_iou, mean_iou, pixel_accuracy
from pipeline.packed import Packed
from pipeline.params import load
from pipeline.runtime import log, run_stage
from pipeline.segmentation.region_counts import count_foregrounds, painted_rows, region_confusion
from pipeline.segmentation.retrieval import retrieve_classes, segment_classes


def main(images: Path, embeddings: Path, labels: Path, out: Path) -> None:
    """Retrieve with every embedding table and score the label maps."""
    options = load().retrieve
    packed, store, label_maps = Packed(images, "images"), EmbeddingStore(embeddings), Packed(labels, "labels")
    store.require_ids(packed)
    bank, query = packed.split(options.bank), packed.split(options.query)
    bank_counts, query_counts = (
        count_foregrounds(store, label_maps, [packed.ids[i] for i in members], split)
        for members, split in ((bank, options.bank), (query, options.query))
    )
    known = segment_classes(bank_counts)
    summary, rows, names = {}, [], label_maps.metadata["classes"]
    for table in store.names:
        embedded = store.embeddings(table)
        found = retrieve_classes(embedded[bank], known, embedded[query], options.neighbours)
        confusion = region_confusion(painted_rows(found), query_counts, len(names))
        summary[table] = {
            "miou": 100 * mean_iou(confusion),
            "accuracy": 100 * pixel_accuracy(confusion),
            "bank": int((known > 0).sum()),
            "queries": len(query),
        }
        rows += [(table, *row) for row in zip(names, 100 * class_iou(confusion), strict=True)]
    write_results(out, summary)
    pd.DataFrame(rows, columns=["name", "class", "iou"]).to_csv(out / "iou_per_class.csv", index=False)
    log.info("labelled %d images from %d labelled segments", len(query), (known > 0).sum())


if __name__ == "__main__":
    run_stage(main)
