"""`python -m pipeline.masks.export MASKS FOLDER` writes every mask as a PNG file named by its image's id.

One object is a grey file of 0 and 255; several are a palette file of their numbers. A rejected image has no file, and
`metadata.json` tells where the masks come from. The way back, `extract_masks.proposal: raw/FOLDER`, loses no object.
"""

import json
import logging
import sys
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from pipeline.errors import InputError
from pipeline.images.codecs import encode_png
from pipeline.images.palette import encode_labels
from pipeline.mask_store import MaskStore
from pipeline.masks.mask_files import BRIGHT, PROVENANCE
from pipeline.progress import track


def export(masks: MaskStore, folder: Path) -> int:
    """Write the files of all masks into `folder`, which is made; returns how many.

    Raises InputError, and writes nothing, when the folder is not empty or an image has too many objects to number.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder} is there already; name a new folder, or an empty one")
    images, counts = np.unique(masks.object_image, return_counts=True)
    for i, count in zip(images, counts, strict=True):
        if count >= BRIGHT:
            raise InputError(
                f"{masks.path}: image {masks.ids[i]} has {count} objects, and a file numbers at most {BRIGHT - 1};"
                " raise extract_masks.min_component"
            )
    folder.mkdir(parents=True, exist_ok=True)
    kept = np.flatnonzero(~masks.rejected).tolist()
    for i in track(kept, "files"):
        (folder / f"{masks.ids[i]}.png").write_bytes(encode_objects(masks.objects(i)))
    (folder / PROVENANCE).write_text(json.dumps(masks.metadata, indent=2, sort_keys=True) + "\n")
    return len(kept)


def encode_objects(objects: Bool[np.ndarray, "k h w"]) -> bytes:
    """The PNG of one object (0 and 255) or of up to 127, numbered from 1 in their order."""
    if len(objects) == 1:
        return encode_png(objects[0].astype(np.uint8) * 255)
    numbers = np.arange(1, len(objects) + 1, dtype=np.uint8)
    return encode_labels(np.tensordot(numbers, objects, 1).astype(np.uint8))


def main(arguments: list[str]) -> int:
    """Command line: the container and the folder."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if len(arguments) != 2:
            raise InputError("name the masks and a folder, as in `data/masks/target.h5 data/raw/my_masks`")
        masks = MaskStore(Path(arguments[0]))
        count = export(masks, Path(arguments[1]))
    except InputError as error:
        logging.error("error: %s", error)
        return 1
    logging.info("exported %d masks of %d images", count, len(masks))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
