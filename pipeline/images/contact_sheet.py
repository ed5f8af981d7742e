"""A drawn sample on one page: `python -m pipeline.images.contact_sheet FOLDER OUT`.

Upper rows: proposal images. Lower rows: target images, each with its labels laid over it on its right.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.errors import InputError
from pipeline.images.palette import voc_palette

COLUMNS, PROPOSAL_ROWS, TARGET_ROWS, GAP = 10, 2, 6, 4


def contact_sheet(folder: Path) -> Image.Image:
    """The first proposal images and the first labelled target images of the sample in `folder`, in a grid."""
    proposals = sorted((folder / "proposal").glob("*.jpg"))[: COLUMNS * PROPOSAL_ROWS]
    labels = sorted((folder / "target" / "SegmentationClass").glob("*.png"))[: COLUMNS // 2 * TARGET_ROWS]
    tiles: list[Image.Image] = [Image.open(path) for path in proposals]
    for path in labels:
        image = Image.open(folder / "target" / "JPEGImages" / f"{path.stem}.jpg")
        tiles += [image, overlaid(image, Image.open(path))]
    if not tiles:
        raise InputError(f"{folder} holds no drawn sample; run `dvc repro draw_sample`")
    return grid(tiles)


def overlaid(image: Image.Image, labels: Image.Image) -> Image.Image:
    """The image under the colours of its labels; background stays as it is."""
    index = np.asarray(labels)
    painted = Image.blend(image, Image.fromarray(voc_palette()[index]), 0.6)
    return Image.composite(painted, image, Image.fromarray(index > 0))


def grid(tiles: Sequence[Image.Image]) -> Image.Image:
    """Tiles in rows of `COLUMNS`, centred in squares of the longest side of all."""
    cell = max(max(tile.size) for tile in tiles) + GAP
    page = Image.new("RGB", (COLUMNS * cell, -(-len(tiles) // COLUMNS) * cell), "white")
    for i, tile in enumerate(tiles):
        row, column = divmod(i, COLUMNS)
        page.paste(tile, (column * cell + (cell - tile.width) // 2, row * cell + (cell - tile.height) // 2))
    return page


if __name__ == "__main__":
    contact_sheet(Path(sys.argv[1])).save(sys.argv[2], quality=80)
