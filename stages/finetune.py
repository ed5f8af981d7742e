"""Fine-tune from one initialisation on a fraction of the labels.

Writes `summary.json` (mIoU in percent, with a CRF also after it), `log.csv` (losses), `iou_per_class.csv` (percent).
"""

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import typer

from pipeline.history import write_results
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.metrics.confusion import class_iou, mean_iou
from pipeline.params import load
from pipeline.runtime import log, run_stage
from pipeline.scratch import scratch_area
from pipeline.seeding import derive_seed
from pipeline.segmentation.finetuning import crf_scores, finetune, initial_network, learning_rates, score_segmenter
from pipeline.segmentation.label_batches import LabelledSquares, labelled_split
from pipeline.segmentation.label_fractions import listed_ids, read_images
from pipeline.unlabelled import nothing_to_score, of_splits


def main(
    fraction: float,
    split: Annotated[int, typer.Argument(min=0)],
    init: Literal["start", "maskcontrast"],
    images: Path,
    labels: Path,
    chosen: Path,
    weights: Path,
    out: Path,
) -> None:
    """Fine-tune the network WEIGHTS, of kind INIT, on the images in the list CHOSEN, those of FRACTION and SPLIT."""
    params = load()
    section, image_set, label_set = params.finetune, ImageSet(images), LabelSet(labels)
    if nothing_to_score(label_set, out, {str(chosen): listed_ids(chosen), **of_splits(image_set, section.test)}):
        return
    train, test = (
        LabelledSquares(image_set, label_set, indices, section.size)
        for indices in (read_images(chosen, image_set, label_set), labelled_split(image_set, label_set, section.test))
    )
    seed = derive_seed(params.base.seed, "finetune", split)
    network = initial_network(init, weights, params.pretrain.encoder, seed)
    rates = learning_rates(section, init, fraction)
    decisive = (section, params.pretrain.encoder, seed, fraction, init)
    with scratch_area(f"finetune@{out.name}", [images, labels, chosen, weights], *decisive) as scratch:
        segmenter, history = finetune(network, train, section, rates, seed, scratch)
        confusion = score_segmenter(segmenter, test, section.batch)
        scores = {"miou": 100 * mean_iou(confusion)} | crf_scores(segmenter, test, section)
        facts = {"fraction": fraction, "split": split, "init": init, "images": len(train)}
        write_results(out, {**facts, "iterations": section.iterations, **scores}, history)
        table = pd.DataFrame({"class": label_set.classes, "iou": 100 * class_iou(confusion)})
        table.to_csv(out / "iou_per_class.csv", index=False)
    log.info("fine-tuned %s on %d images, mIoU %.1f", init, len(train), scores["miou"])


if __name__ == "__main__":
    run_stage(main)
