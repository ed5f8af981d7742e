"""Train a 1x1 classifier on the frozen network, and on the starting weights as the baseline.

Writes `summary.json` ({network: mean and s.d. of mIoU over seeds, in percent}), `log.csv` (losses),
`iou_per_class.csv` (percent) and `confusion.csv` (pixels, MaskContrast, first seed).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.history import write_results
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.metrics.confusion import class_iou
from pipeline.networks.backbone import load_backbone
from pipeline.networks.deeplab import load_deeplab
from pipeline.params import load
from pipeline.runtime import log, run_stage
from pipeline.scratch import scratch_area
from pipeline.segmentation.linear_head import Probe, mean_and_spread, probe


def main(images: Path, labels: Path, start: Path, maskcontrast: Path, out: Path) -> None:
    """Probe MASKCONTRAST and START with the labels; every seed on the same features."""
    section, stride = load().probe_linear, load().pretrain.encoder.output_stride
    image_set, label_set = ImageSet(images), LabelSet(labels)
    networks = {"maskcontrast": load_deeplab(maskcontrast), "start": load_backbone(start, stride)}
    with scratch_area("probe_linear", [images, labels, start, maskcontrast], section, stride) as scratch:
        probes: dict[str, list[Probe]] = {}
        for init, network in networks.items():
            probes[init] = probe(network, image_set, label_set, section, scratch.inner(init))
        summary = {init: mean_and_spread(found) for init, found in probes.items()}
        write_results(out, summary)
        write_tables(out, probes, np.array(label_set.classes))
    log.info(
        "probed with %d images, mIoU %.1f", len(image_set.split(section.train)), summary["maskcontrast"]["miou_mean"]
    )


def write_tables(out: Path, probes: dict[str, list[Probe]], classes: np.ndarray) -> None:
    """Write the tables in long form; classes stand there by name."""
    runs = [(init, found) for init, seeds in probes.items() for found in seeds]
    losses = [(init, run.seed, row["epoch"], row["loss"]) for init, run in runs for row in run.history.rows]
    pd.DataFrame(losses, columns=["init", "seed", "epoch", "loss"]).to_csv(
        out / "log.csv", index=False, float_format="%.6g"
    )
    iou = [
        (init, run.seed, *row)
        for init, run in runs
        for row in zip(classes, 100 * class_iou(run.confusion), strict=True)
    ]
    pd.DataFrame(iou, columns=["init", "seed", "class", "iou"]).to_csv(out / "iou_per_class.csv", index=False)
    predicted, true = np.indices((len(classes), len(classes))).reshape(2, -1)
    confusion = probes["maskcontrast"][0].confusion
    columns = {"class": classes[true], "predicted": classes[predicted], "pixels": confusion.ravel()}
    pd.DataFrame(columns).to_csv(out / "confusion.csv", index=False)


if __name__ == "__main__":
    run_stage(main)
