"""Draw the labelled images of semi-supervised fine-tuning, every fraction and split a list of ids in a file.

Writes `<fraction>-<split>.txt` (one id a line) for each, and `classes.csv`: how many of its images show each class.
"""

from itertools import product
from pathlib import Path

import pandas as pd

from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.params import load
from pipeline.runtime import log, run_stage
from pipeline.segmentation.label_batches import labelled_split
from pipeline.segmentation.label_fractions import beginning, classes_shown, order_images, write_ids
from pipeline.unlabelled import nothing_to_score, of_splits


def main(images: Path, labels: Path, splits: Path, out: Path) -> None:
    """Write the lists of all fractions and splits into the folder SPLITS and the table into OUT."""
    params = load()
    section, sweep, image_set, label_set = params.draw_splits, params.sweep, ImageSet(images), LabelSet(labels)
    if nothing_to_score(label_set, out, of_splits(image_set, section.train)):
        for fraction, split in product(sweep.fractions, sweep.splits):
            write_ids(splits / f"{fraction}-{split}.txt", [])
        return
    ids = [image_set.ids[i] for i in labelled_split(image_set, label_set, section.train)]
    shown = classes_shown(label_set, ids)
    rows: list[tuple] = []
    for split in sweep.splits:
        order = order_images(shown, params.base.seed, split, section.cover_classes)
        for fraction in sweep.fractions:
            chosen = beginning(order, fraction)
            write_ids(splits / f"{fraction}-{split}.txt", [ids[i] for i in chosen])
            counts = zip(label_set.classes, shown[chosen].sum(axis=0), strict=True)
            rows += [(fraction, split, len(chosen), *row) for row in counts]
    for folder in (splits, out):
        folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows, columns=["fraction", "split", "images", "class", "showing"])
    table.to_csv(out / "classes.csv", index=False)
    missing = sum(row[-1] == 0 for row in rows)
    log.info(
        "drew %d lists of %d labelled images; %d times a class is in none",
        len(sweep.splits) * len(sweep.fractions),
        len(ids),
        missing,
    )


if __name__ == "__main__":
    run_stage(main)
