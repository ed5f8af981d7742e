"""Judge clusters by eye, where there are no labels: what share of a cluster's objects are of one kind?

`python -m pipeline.judge draw sheet.png` draws 100 objects at random onto a sheet to print, numbered. `sheet.csv`
beside it has a row for each: write what it is into the column `kind`, or nothing where there is no telling. Neither
tells the cluster, so nothing leads the eye. `python -m pipeline.judge score sheet.csv` then looks the clusters up and
tells the purity of every clustering, and `sort sheet.csv sorted.png` draws the objects again, cluster by cluster.
"""

import argparse
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int64
from PIL import Image, ImageDraw

from pipeline.cluster_store import Clustering, ClusterStore
from pipeline.embedding_store import EmbeddingStore
from pipeline.errors import InputError
from pipeline.images.codecs import decode_image
from pipeline.metrics.spread import mean_and_std
from pipeline.packed import Packed, replacing
from pipeline.seeding import generator

IMAGES, EMBEDDINGS, CLUSTERS = (Path(f"data/{name}/target.h5") for name in ("images", "embeddings", "clusters"))
COLUMNS = ["object", "image", "kind"]
SIDE, CAPTION, ACROSS, SHUFFLES = 150, 14, 10, 1000


def draw(count: int, seed: int) -> tuple[pd.DataFrame, Image.Image]:
    """At most `count` of the objects that were clustered, with columns `COLUMNS`, and the sheet that shows them."""
    found = ClusterStore(CLUSTERS)
    run = _first(found.runs("maskcontrast", found.clusters("maskcontrast")[0]))
    order = generator(seed, "objects to judge").permutation(np.flatnonzero(run.assignments >= 0))[:count]
    table = pd.DataFrame([(number, found.ids[i], "") for number, i in enumerate(order, 1)], columns=COLUMNS)
    return table, sheet(tiles(table["image"]), table["object"].astype(str).tolist())


def _first(runs: Mapping[int, Clustering]) -> Clustering:
    return next(iter(runs.values()))


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


def clustered(table: pd.DataFrame, clusters: int) -> pd.DataFrame:
    """The table sorted by its new column `cluster`, of the first clustering of mask embeddings into so many, and kind.

    Raises InputError when there is none.
    """
    found = ClusterStore(CLUSTERS)
    if clusters not in found.clusters("maskcontrast"):
        known = ", ".join(map(str, found.clusters("maskcontrast")))
        raise InputError(f"{CLUSTERS} has no clustering into {clusters} clusters; choose one of {known}")
    assigned = _assigned(table["image"], found, _first(found.runs("maskcontrast", clusters)))
    return table.assign(cluster=assigned + 1).sort_values(["cluster", "kind"], kind="stable")


def _assigned(names: Iterable[str], found: ClusterStore, run: Clustering) -> Int64[np.ndarray, " n"]:
    return np.array([run.assignments[found.index(name)] for name in names], dtype=np.int64)


def sort(table: pd.DataFrame) -> Image.Image:
    """The objects of `clustered` again, a row or more for each cluster, over their kinds."""
    captions = [f"{cluster}: {kind or '?'}" for cluster, kind in table[["cluster", "kind"]].itertuples(index=False)]
    return sheet(tiles(table["image"]), captions, table["cluster"].tolist())


def score(table: pd.DataFrame) -> pd.DataFrame:
    """The purity of every network's clusterings, in percent: mean and sample s.d. over seeds, and `by_chance`.

    That is the mean purity of the same clusters filled at random: the fewer objects a cluster has, the purer it is by
    chance alone. InputError when no kind is written.
    """
    judged, found = table[table["kind"] != ""], ClusterStore(CLUSTERS)
    if judged.empty:
        raise InputError("no kind is written in the table; write what each object is into its column kind")
    kinds, rows = pd.factorize(judged["kind"])[0], []
    for network in (name for name in found.names if not found.grid(name)):
        for clusters in found.clusters(network):
            runs = [_assigned(judged["image"], found, run) for run in found.runs(network, clusters).values()]
            scores = mean_and_std("purity", [purity(run, kinds) for run in runs])
            chance = float(np.mean([purity_by_chance(run, kinds) for run in runs]))
            rows.append({"network": network, "clusters": clusters, **scores, "by_chance": chance})
    return pd.DataFrame(rows).round(1)


def purity_by_chance(clusters: Int64[np.ndarray, " n"], kinds: Int64[np.ndarray, " n"]) -> float:
    """The mean purity when the kinds are shuffled."""
    random = generator(0, "shuffled kinds")
    return float(np.mean([purity(clusters, random.permutation(kinds)) for _ in range(SHUFFLES)]))


def purity(clusters: Int64[np.ndarray, " n"], kinds: Int64[np.ndarray, " n"]) -> float:
    """The share in percent of objects of their cluster's most frequent kind."""
    counts = np.zeros((clusters.max() + 2, kinds.max() + 1), int)
    np.add.at(counts, (clusters + 1, kinds), 1)  # below 0 where a run since then has found nothing
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
    """A table from the disk, kinds in small letters; InputError when it is not there or has not all columns."""
    if not path.exists():
        raise InputError(f"{path} does not exist; `python -m pipeline.judge draw` makes it")
    table = pd.read_csv(path, keep_default_na=False, dtype=str) if path.stat().st_size else pd.DataFrame()
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise InputError(f"{path} has no column {missing[0]}; it takes {', '.join(COLUMNS)}, between commas")
    return table.assign(kind=table["kind"].str.strip().str.casefold())


def save_chart(table: pd.DataFrame, path: Path) -> None:
    """Write a PNG with a bar for each cluster of `clustered`, of as many parts as it has kinds, frequent ones first."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    judged = table[table["kind"] != ""]
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
            save(*draw(given.count, given.seed), given.sheet)
        elif given.command == "sort":
            save_picture(sort(clustered(read(given.table), given.clusters)), given.sheet)
        else:
            table = read(given.table)
            logging.info("%s", score(table).to_string(index=False))
            if given.chart:
                save_chart(clustered(table, given.clusters), given.chart)
    except (InputError, OSError) as error:
        logging.error("error: %s", error)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.judge", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw", help="draw objects onto a sheet")
    drawing.add_argument("sheet", type=_png, help="the PNG to write, and beside it the CSV")
    drawing.add_argument("--count", type=_count, default=100, help="objects; 100 by default")
    drawing.add_argument("--seed", type=int, default=0, help="of the draw; 0 by default")
    scoring = commands.add_parser("score", help="tell the purity")
    sorting = commands.add_parser("sort", help="draw them again, cluster by cluster")
    for command in (scoring, sorting):
        command.add_argument("table", type=Path, help="the CSV with its kinds")
        command.add_argument(
            "--clusters", type=int, default=21, help="that are drawn; 21 by default, background counted"
        )
    scoring.add_argument("--chart", type=_png, help="a PNG to write, of the kinds in each cluster")
    sorting.add_argument("sheet", type=_png, help="the PNG to write")
    return parser


def _png(text: str) -> Path:
    if not text.endswith(".png"):
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .png")
    return Path(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up")
    return int(text)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main(sys.argv[1:]))
