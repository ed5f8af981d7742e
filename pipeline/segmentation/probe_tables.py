"""What linear probes found, as tables in long form; classes stand there by name and IoU and mIoU are in percent."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pipeline.metrics.confusion import class_iou
from pipeline.segmentation.linear_probe import Probe


def probe_tables(probes: Mapping[str, Sequence[Probe]], classes: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Tables by name, of every network and seed.

    `log` (losses of all epochs), `validation` (mIoU on squares of the evaluated ones), `iou_per_class` (of the last
    epoch, of the best on the test images, and after the CRF) and `confusion` (pixels; MaskContrast, last epoch, first
    seed).
    """
    runs = [(network, run) for network, seeds in probes.items() for run in seeds]
    losses = [(network, run.seed, row["epoch"], row["loss"]) for network, run in runs for row in run.losses.rows]
    scores = [(network, run.seed, row["epoch"], row["miou"]) for network, run in runs for row in run.validation.rows]
    iou = [
        (network, run.seed, epoch, *row)
        for network, run in runs
        for epoch, confusion in run.confusions.items()
        for row in zip(classes, 100 * class_iou(confusion), strict=True)
    ]
    predicted, true = np.indices((len(classes), len(classes))).reshape(2, -1)
    names, pixels = np.array(classes), probes["maskcontrast"][0].confusion.ravel()
    return {
        "log": pd.DataFrame(losses, columns=["init", "seed", "epoch", "loss"]),
        "validation": pd.DataFrame(scores, columns=["init", "seed", "epoch", "miou"]),
        "iou_per_class": pd.DataFrame(iou, columns=["init", "seed", "epoch", "class", "iou"]),
        "confusion": pd.DataFrame({"class": names[true], "predicted": names[predicted], "pixels": pixels}),
    }
