"""Pack the encoded images of a set into one file, sorted by id, and its labels into another."""

from pathlib import Path

from pipeline import params
from pipeline.errors import InputError
from pipeline.images import folder, saliency_sets, voc
from pipeline.images.packing import ImageFiles, limited, pack
from pipeline.runtime import log, run_stage


def main(key: str, source: Path, images: Path, labels: Path) -> None:
    """Pack the set KEY, whose files lie in SOURCE, into IMAGES and LABELS."""
    sections = dict(params.load().pack_images)
    if key not in sections:
        raise InputError(f"params.yaml has no pack_images.{key}; it has {', '.join(sections)}")
    files = limited(read(source, sections[key]), sections[key].limit)
    pack(files, images, labels)
    splits = ", ".join(f"{name} {len(ids)}" for name, ids in files.splits.items())
    log.info("packed %d images (%s) and %d label maps", len(files.images), splits, len(files.labels))
    if files.unpaired:
        log.info("left out %d images or masks without the other", files.unpaired)


def read(source: Path, settings: params.ImageSource) -> ImageFiles:
    """The files of a set by its layout."""
    match settings.layout:
        case "voc":
            return voc.read(source, settings.classes)
        case "saliency":
            return saliency_sets.read(source)
        case "folder":
            return folder.read(source)


if __name__ == "__main__":
    run_stage(main)
