"""Judge clusters by eye, where there are no labels: what share of a cluster's objects are of one kind?

`python -m pipeline.judge draw sheet.png` draws 100 objects at random onto a sheet to print, numbered, without their
clusters, so that nothing leads the eye. `sheet.csv` beside it has a row for each: write what it is into the column
`kind`, or nothing where there is no telling. `python -m pipeline.judge score sheet.csv` then tells the purity, and
`python -m pipeline.judge sort sheet.csv sorted.png` draws the objects again, cluster by cluster, with their kinds.
"""

import argparse
import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int64
from PIL import Image, ImageDraw

from pipeline.cluster_store import ClusterStore
from pipeline.embedding_store import EmbeddingStore
from pipeline.errors import InputError
from pipeline.images.codecs import decode_image
from pipeline.packed import Packed, replacing
from pipeline.seeding import generator

IMAGES, EMBEDDINGS, CLUSTERS = (Path(f"data/{name}/target.h5") for name in ("images", "embeddings", "clusters"))
COLUMNS = ["object", "image", "cluster", "kind"]
SIDE, CAPTION, ACROSS, SHUFFLES = 150, 14, 10, 1000


class Purity(NamedTuple):
    """Shares in percent of objects whose kind is the most frequent one of their cluster, and of all that were judged.

    `shuffled` is the mean purity of the same clusters filled at random: the fewer objects a cluster has, the purer it
    is by chance alone.
    """

    purity: float
    shuffled: float
    judged: int
    clusters: int
    kinds: int


def draw(count: int, clusters: int, seed: int) -> tuple[pd.DataFrame, Image.Image]:
    """At most `count` of the objects that were clustered, with columns `COLUMNS`, and the sheet that shows them.

    Raises InputError when nothing was clustered into so many clusters.
    """
    found = ClusterStore(CLUSTERS)
    if clusters not in found.clusters("maskcontrast"):
        known = ", ".join(map(str, found.clusters("maskcontrast")))
        raise InputError(f"{CLUSTERS} has no clustering into {clusters} clusters; choose one of {known}")
    assignments = next(iter(found.runs("maskcontrast", clusters).values())).assignments
    salient = np.flatnonzero(assignments >= 0)
    order = generator(seed, "objects to judge").permutation(salient)[:count]
    rows = [(number, found.ids[i], int(assignments[i]) + 1, "") for number, i in enumerate(order, 1)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table, sheet(tiles(table["image"]), [str(row[0]) for row in rows])


def tiles(names: Iterable[str]) -> list[Image.Image]:
    """Objects in their colours, and what is around them pale."""
    stored, images = EmbeddingStore(EMBEDDINGS), Packed(IMAGES, "images")
    found = []
    for name in names:
        image = Image.fromarray(decode_image(images[images.index(name)]))
        image.thumbnail((SIDE, SIDE))
        mask = Image.fromarray(stored.foreground(stored.index(name))).resize(image.size, Image.Resampling.NEAREST)
        around = Image.blend(image, Image.new("RGB", image.size, "white"), 0.7)
        found.append(Image.composite(image, around, mask))
    return found


def sheet(pictures: Sequence[Image.Image], captions: Sequence[str], rows: Sequence[int] = ()) -> Image.Image:
    """Pictures with captions in rows of at most `ACROSS`; where the numbers in `rows` change, a new one begins."""
    places, row, column = [], 0, -1
    for i in range(len(pictures)):
        new = column + 1 == ACROSS or (i > 0 and rows and rows[i] != rows[i - 1])
        row, column = (row + 1, 0) if new else (row, column + 1)
        places.append((column * (SIDE + 4), row * (SIDE + CAPTION)))
    page = Image.new("RGB", (ACROSS * (SIDE + 4), (row + 1) * (SIDE + CAPTION)), "white")
    pen = ImageDraw.Draw(page)
    for (x, y), picture, caption in zip(places, pictures, captions, strict=True):
        page.paste(picture, (x + (SIDE - picture.width) // 2, y + (SIDE - picture.height) // 2))
        pen.text((x + SIDE // 2, y + SIDE), caption, "black", anchor="ma")
    return page


def sort(table: pd.DataFrame) -> Image.Image:
    """The objects of a table again, a row or more for each cluster, over their kinds."""
    ordered = table.sort_values(["cluster", "kind"], kind="stable")
    captions = [f"{cluster}: {kind or '?'}" for cluster, kind in ordered[["cluster", "kind"]].itertuples(index=False)]
    return sheet(tiles(ordered["image"]), captions, ordered["cluster"].tolist())


def score(table: pd.DataFrame) -> Purity:
    """The purity of a table with columns `COLUMNS`; InputError when columns are missing or no kind is written."""
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise InputError(f"the table has no column {missing[0]}; it takes {', '.join(COLUMNS)}")
    judged = table[table["kind"].fillna("").str.strip() != ""]
    if judged.empty:
        raise InputError("no kind is written in the table; write what each object is into its column kind")
    clusters, kinds = (pd.factorize(judged[name])[0] for name in ("cluster", "kind"))
    random = generator(0, "shuffled kinds")
    by_chance = [purity(clusters, random.permutation(kinds)) for _ in range(SHUFFLES)]
    counts = len(judged), len(np.unique(clusters)), len(np.unique(kinds))
    return Purity(purity(clusters, kinds), float(np.mean(by_chance)), *counts)


def purity(clusters: Int64[np.ndarray, " n"], kinds: Int64[np.ndarray, " n"]) -> float:
    """The share in percent of objects of their cluster's most frequent kind."""
    counts = np.zeros((clusters.max() + 1, kinds.max() + 1), int)
    np.add.at(counts, (clusters, kinds), 1)
    return 100 * float(counts.max(axis=1).sum()) / len(clusters)


def save(table: pd.DataFrame, picture: Image.Image, path: Path) -> None:
    """Write both; InputError when kinds that somebody wrote would be lost."""
    names = path.with_suffix(".csv")
    if names.exists() and any(read(names)["kind"]):
        raise InputError(f"{names} holds kinds already; move it, or draw onto another sheet")
    save_picture(picture, path)
    with replacing(names) as temporary:
        table.to_csv(temporary, index=False)


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)


def read(path: Path) -> pd.DataFrame:
    """A table as it is on the disk; InputError when it is not there."""
    if not path.exists():
        raise InputError(f"{path} does not exist; `python -m pipeline.judge draw` makes it")
    return pd.read_csv(path, keep_default_na=False, dtype={"image": str, "kind": str})


def save_chart(table: pd.DataFrame, path: Path) -> None:
    """Write a PNG with a bar for each cluster, of as many parts as it has kinds; the most frequent kinds come first."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    judged = table[table["kind"].str.strip() != ""]
    counts = pd.crosstab(judged["cluster"], judged["kind"])
    counts = counts[counts.sum().sort_values(ascending=False).index]
    figure = Figure((8, 1 + 0.25 * len(counts)), layout="tight")
    axes = figure.subplots()
    ends = counts.cumsum(axis=1)
    for i, kind in enumerate(counts):
        colour = colormaps["tab20"](i % 20)
        axes.barh(range(len(counts)), counts[kind], left=ends[kind] - counts[kind], color=colour, label=kind)
    axes.set_yticks(range(len(counts)), [str(cluster) for cluster in counts.index])
    axes.invert_yaxis()
    axes.set(xlabel="objects", ylabel="cluster")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})


def main(arguments: list[str]) -> int:
    """Command line, as `--help` tells."""
    given = _parser().parse_args(arguments)
    try:
        if given.command == "draw":
            save(*draw(given.count, given.clusters, given.seed), given.sheet)
        elif given.command == "sort":
            save_picture(sort(read(given.table)), given.sheet)
        else:
            table = read(given.table)
            found = score(table)
            if given.chart:
                save_chart(table, given.chart)
            logging.info("purity %.1f %% (by chance %.1f %%) of %d objects in %d clusters, of %d kinds", *found)
    except (InputError, OSError) as error:
        logging.error("error: %s", error)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.judge", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw", help="draw objects onto a sheet")
    drawing.add_argument("sheet", type=Path, help="the PNG to write, and beside it the CSV")
    drawing.add_argument("--count", type=int, default=100, help="objects; 100 by default")
    drawing.add_argument("--clusters", type=int, default=21, help="clusters with the background; 21 by default")
    drawing.add_argument("--seed", type=int, default=0, help="of the draw; 0 by default")
    scoring = commands.add_parser("score", help="tell the purity")
    sorting = commands.add_parser("sort", help="draw them again, cluster by cluster")
    for command in (scoring, sorting):
        command.add_argument("table", type=Path, help="the CSV with its kinds")
    scoring.add_argument("--chart", type=Path, help="a PNG to write, of the kinds in each cluster")
    sorting.add_argument("sheet", type=Path, help="the PNG to write")
    return parser


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main(sys.argv[1:]))
