"""Label the salient segments of one split by their nearest labelled segment in another.

Writes `summary.json` ({table: mIoU and pixel accuracy in percent over all and over the kept classes, number of
segments}), `iou_per_class.csv` (percent, all classes) and `neighbours.png`, a few segments beside their nearest.
"""

from pathlib import Path

import pandas as pd

from pipeline.embedding_store import EmbeddingStore
from pipeline.history import write_results
from pipeline.metrics.confusion import class_iou
from pipeline.packed import Packed
from pipeline.params import load
from pipeline.report.figures import save_neighbours
from pipeline.report.neighbours import neighbour_rows
from pipeline.runtime import log, run_stage
from pipeline.segmentation import retrieval
from pipeline.segmentation.region_counts import count_foregrounds
from pipeline.unlabelled import nothing_to_score, of_splits


def main(images: Path, embeddings: Path, labels: Path, out: Path) -> None:
    """Retrieve with every embedding table and score the label maps."""
    options = load().retrieve
    packed, store, label_maps = Packed(images, "images"), EmbeddingStore(embeddings), Packed(labels, "labels")
    store.require_ids(packed)
    if nothing_to_score(label_maps, out, of_splits(packed, options.bank, options.query)):
        return
    names: list[str] = label_maps.metadata["classes"]
    subsets = retrieval.class_subsets(names, options.kept_classes)
    bank, query = packed.split(options.bank), packed.split(options.query)
    bank_ids, query_ids = ([packed.ids[i] for i in members] for members in (bank, query))
    bank_counts = count_foregrounds(store, label_maps, bank_ids, options.bank, options.size)
    query_counts = count_foregrounds(store, label_maps, query_ids, options.query, options.size)
    labelled = int((retrieval.segment_classes(bank_counts) > 0).sum())
    summary, rows, sheet = {}, [], []
    for table in store.names:
        vectors = store.embeddings(table)
        known = retrieval.Segments(bank_ids, vectors[bank], bank_counts)
        asked = retrieval.Segments(query_ids, vectors[query], query_counts)
        summary[table] = {"bank": labelled, "queries": len(query)}
        for score, classes in subsets.items():
            confusion = retrieval.retrieval_confusion(known, asked, classes, options.neighbours)
            summary[table][score] = retrieval.retrieval_scores(confusion, classes)
            if score == "all_classes":
                rows += [(table, *row) for row in zip(names, 100 * class_iou(confusion), strict=True)]
        if table == "maskcontrast":
            shown = retrieval.example_rows(known, asked, options.sheet.queries, options.sheet.neighbours)
            sheet = list(neighbour_rows(packed, store, shown))
    write_results(out, summary)
    save_neighbours(sheet, names, out / "neighbours.png")
    pd.DataFrame(rows, columns=["name", "class", "iou"]).to_csv(out / "iou_per_class.csv", index=False)
    log.info("labelled %d images from %d labelled segments", len(query), labelled)


if __name__ == "__main__":
    run_stage(main)
