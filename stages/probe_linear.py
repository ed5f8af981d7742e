"""Train a 1x1 classifier on the frozen network, and on the starting weights as the baseline.

Writes `summary.json` ({network: {seeds, last, best_on_val, last_crf where asked for}}, each mean and s.d. of mIoU over
seeds, in percent) and the tables `log.csv` (losses), `validation.csv` (mIoU of epochs), `iou_per_class.csv` (percent)
and `confusion.csv` (pixels, MaskContrast, first seed).
"""

from pathlib import Path

from pipeline.history import write_results
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.networks.backbone import load_backbone
from pipeline.networks.deeplab import load_deeplab
from pipeline.params import load
from pipeline.runtime import log, run_stage
from pipeline.scratch import scratch_area
from pipeline.segmentation.label_batches import labelled_split
from pipeline.segmentation.linear_probe import Probe, mean_and_spread, probe
from pipeline.segmentation.probe_tables import probe_tables
from pipeline.unlabelled import nothing_to_score, of_splits


def main(images: Path, labels: Path, start: Path, maskcontrast: Path, out: Path) -> None:
    """Probe MASKCONTRAST and START with the labels; every seed on the same features."""
    section, stride = load().probe_linear, load().pretrain.encoder.output_stride
    image_set, label_set = ImageSet(images), LabelSet(labels)
    if nothing_to_score(label_set, out, of_splits(image_set, section.train, section.test)):
        return
    networks = {"maskcontrast": load_deeplab(maskcontrast), "start": load_backbone(start, stride)}
    with scratch_area("probe_linear", [images, labels, start, maskcontrast], section, stride) as scratch:
        probes: dict[str, list[Probe]] = {}
        for init, network in networks.items():
            probes[init] = probe(network, image_set, label_set, section, scratch.inner(init))
        summary = {init: mean_and_spread(found) for init, found in probes.items()}
        write_results(out, summary)
        for name, table in probe_tables(probes, label_set.classes).items():
            table.to_csv(out / f"{name}.csv", index=False, float_format="%.6g")
    labelled = len(labelled_split(image_set, label_set, section.train))
    log.info("probed with %d images, mIoU %.1f", labelled, summary["maskcontrast"]["last"]["miou_mean"])


if __name__ == "__main__":
    run_stage(main)
