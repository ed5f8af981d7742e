"""Pack the encoded images of a set into one file, sorted by id, and its labels into another.

Writes `summary.json` (images by Pillow's pixel modes, label maps, images skipped) and `skipped.csv` (id, reason).
"""

from pathlib import Path

import pandas as pd

from pipeline import params
from pipeline.errors import InputError
from pipeline.history import write_results
from pipeline.images import coco, folder, saliency_sets, voc
from pipeline.images.packing import TURNED, Checked, ImageFiles, limited, pack
from pipeline.runtime import log, run_stage


def main(key: str, source: Path, images: Path, labels: Path, results: Path) -> None:
    """Pack the set KEY, whose files lie in SOURCE, into IMAGES and LABELS; list what was skipped in RESULTS."""
    sections = dict(params.load().pack_images)
    if key not in sections:
        raise InputError(f"params.yaml has no pack_images.{key}; it has {', '.join(sections)}")
    files = limited(read(source, sections[key]), sections[key].limit)
    checked = pack(files, images, labels, sections[key].on_error)
    write_summary(results, checked)
    packed, skipped = checked.files, checked.skipped
    splits = ", ".join(f"{name} {len(ids)}" for name, ids in packed.splits.items())
    log.info("packed %d images (%s) and %d label maps", len(packed.images), splits, len(packed.labels))
    if packed.unpaired:
        log.info("left out %d images or masks without the other", packed.unpaired)
    if checked.turned:
        log.warning(TURNED, checked.turned)
    if skipped:
        first, reason = next(iter(skipped.items()))
        log.warning("skipped %d images, the first is %s: %s", len(skipped), first, reason)


def write_summary(results: Path, checked: Checked) -> None:
    """Write `summary.json` and `skipped.csv`."""
    counts = {"images": len(checked.files.images), "labels": len(checked.files.labels), "skipped": len(checked.skipped)}
    write_results(results, counts | {"modes": checked.modes})
    pd.DataFrame(checked.skipped.items(), columns=["id", "reason"]).to_csv(results / "skipped.csv", index=False)


def read(source: Path, settings: params.ImageSource) -> ImageFiles:
    """The files of a set by its layout."""
    match settings.layout:
        case "voc":
            return voc.read(source, settings.classes)
        case "coco":
            return coco.read(source, settings.classes, settings.other_things)
        case "saliency":
            return saliency_sets.read(source)
        case "folder":
            return folder.read(source, settings.val_fraction, settings.split_seed)


if __name__ == "__main__":
    run_stage(main)
