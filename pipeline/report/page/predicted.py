"""The page of predictions: what was predicted with what, what each cluster was given, and a gallery of overlays.

However many images there are, it has no more pictures, and lists no more skipped images, than the limits here.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from pipeline.cluster_names import ClusterNames
from pipeline.report.page import charts
from pipeline.report.page.blocks import Gallery, Numbers, Section, Sheet, Table, Tile
from pipeline.report.page.builder import save_page
from pipeline.report.page.thumbnails import thumbnail

SIDE, MOST_CONFIDENT, LEAST_CONFIDENT, TILES = 80, 10, 5, 1000
GALLERY_SIDE, GALLERY, SEED = 144, 120, 0
LISTED = 200
# Around an object, as a factor of its box; and the least side in pixels, that something be seen of small ones.
MARGIN, LEAST_SIDE = 1.3, 24


class Found(NamedTuple):
    """One object: the name of its image, its cluster, how confident that is, and its area as a share of the image.

    `box` is its left, top, right and bottom, also as shares of width and height.
    """

    image: str
    cluster: int
    confidence: float
    share: float
    box: tuple[float, float, float, float]


class Predicted(NamedTuple):
    """What is shown: what was used (names and values), the overlay of every image by its name, all objects in them.

    `skipped` are paths of images that could not be read, with the reason.
    """

    used: Sequence[tuple[str, str]]
    naming: ClusterNames
    overlays: Mapping[str, Path]
    objects: Sequence[Found]
    skipped: Sequence[tuple[str, str]]


def save_predicted_page(path: Path, predicted: Predicted) -> None:
    """Write the page; the same predictions give the same bytes."""
    about = f"{_counted(len(predicted.objects), 'object')} in {_counted(len(predicted.overlays), 'image')}."
    sections = [_glance(predicted), _clusters(predicted), _sizes(predicted), _gallery(predicted)]
    save_page(path, "Predicted objects", about, [section for section in sections if section.blocks])


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _glance(predicted: Predicted) -> Section:
    empty = len(predicted.overlays) - len({found.image for found in predicted.objects})
    seen = {found.cluster for found in predicted.objects}
    numbers = [
        ("Images", f"{len(predicted.overlays):,}", f"in {empty:,} of them nothing stands out"),
        ("Objects", f"{len(predicted.objects):,}", "objects.csv lists them"),
        ("Clusters", f"{len(seen):,}", f"of {len(predicted.naming.names) - 1:,} have an object here"),
        ("Skipped", f"{len(predicted.skipped):,}", "images that cannot be read"),
    ]
    blocks = [Numbers(numbers), Table("What was used", ["", ""], predicted.used, named=2)]
    if predicted.skipped:
        listed = predicted.skipped[:LISTED]
        title = "Skipped images" + (f", the first of {len(predicted.skipped):,}" if listed != predicted.skipped else "")
        blocks.append(Table(title, ["image", "reason"], listed, named=2, folded=len(listed) > 12))
    return Section("glance", "At a glance", "", blocks)


def _clusters(predicted: Predicted) -> Section:
    lead = (
        "The objects of each cluster, the largest cluster first. Confidence is how much nearer the cluster is than the "
        "next one: 0 half-way between the two, 1 in its middle. It is no probability."
    )
    sheet = cluster_sheet(predicted)
    return Section("clusters", "Clusters", lead, [sheet] if sheet.cards else [])


def cluster_sheet(predicted: Predicted) -> Sheet:
    """A card for each cluster that has objects: the most confident, and of the others the least confident.

    A card has 15 pictures, or fewer where all cards together would have more than `TILES`.
    """
    members: dict[int, list[Found]] = {}
    for found in predicted.objects:
        members.setdefault(found.cluster, []).append(found)
    room = min(MOST_CONFIDENT + LEAST_CONFIDENT, TILES // max(len(members), 1))
    most = math.ceil(room * MOST_CONFIDENT / (MOST_CONFIDENT + LEAST_CONFIDENT))
    cards, titles = [], predicted.naming.titles
    for cluster, own in sorted(members.items(), key=lambda item: (-len(item[1]), item[0])):
        ranked = sorted(own, key=lambda found: -found.confidence)
        others = ranked[most:][::-1][: room - most]
        groups = {"most confident": ranked[:most], "least confident": others}
        tiles = [(name, [_object_tile(predicted, found) for found in group]) for name, group in groups.items() if group]
        cards.append((titles[cluster], _counted(len(own), "object"), tiles))
    return Sheet(cards)


def _object_tile(predicted: Predicted, found: Found) -> Tile:
    picture = thumbnail(cut_out(predicted.overlays[found.image], found.box), SIDE)
    return Tile(picture, f"{found.confidence:.2f}", hint=found.image)


def cut_out(overlay: Path, box: tuple[float, float, float, float]) -> UInt8[np.ndarray, "h w 3"]:
    """A square around the box (left, top, right and bottom as shares) of an overlay, as far as that reaches."""
    with Image.open(overlay) as image:
        left, top, right, bottom = (share * side for share, side in zip(box, image.size * 2, strict=True))
        half = max(MARGIN * max(right - left, bottom - top), LEAST_SIDE) / 2
        x, y = (left + right) / 2, (top + bottom) / 2
        start = math.floor(max(0, x - half)), math.floor(max(0, y - half))
        end = math.ceil(min(image.width, x + half)), math.ceil(min(image.height, y + half))
        return np.asarray(image.crop((*start, *end)))


def _sizes(predicted: Predicted) -> Section:
    objects, titles = predicted.objects, predicted.naming.titles
    if not objects:
        return Section("sizes", "", "", [])
    numbers = np.bincount([found.cluster for found in objects])
    order = [k for k in np.argsort(-numbers, kind="stable").tolist() if numbers[k]]
    blocks = [
        charts.histogram("Areas", [100 * found.share for found in objects], 100.0, "percent of the image"),
        charts.histogram("Confidences", [found.confidence for found in objects], 1.0, "confidence"),
        charts.counts("Objects of each cluster", [titles[k] for k in order], numbers[order].tolist()),
    ]
    lead = "How large objects are, how clear their clusters are, and how many objects each cluster has."
    return Section("sizes", "Areas and confidences", lead, blocks)


def _gallery(predicted: Predicted) -> Section:
    names = sample(list(predicted.overlays), GALLERY)
    titles, held = predicted.naming.titles, dict[str, list[str]]()
    for found in predicted.objects:
        held.setdefault(found.image, []).append(titles[found.cluster])
    tiles = [
        Tile(_small(predicted.overlays[name]), name, hint=", ".join(held.get(name, ["nothing stands out"])))
        for name in names
    ]
    lead = "Every image under the colours of its clusters, with its path."
    if len(names) < len(predicted.overlays):
        lead = f"{len(names)} of the {len(predicted.overlays):,} images, drawn with seed {SEED}, with their paths."
        lead += " The others are in the folder overlays."
    return Section("gallery", "Gallery", lead, [Gallery(tiles)])


def sample(names: Sequence[str], count: int) -> list[str]:
    """At most `count` of the names in their order, drawn from a seed."""
    if len(names) <= count:
        return list(names)
    drawn = np.random.default_rng(SEED).choice(len(names), count, replace=False)
    return [names[int(i)] for i in np.sort(drawn)]


def _small(overlay: Path) -> str:
    with Image.open(overlay) as image:
        return thumbnail(np.asarray(image), GALLERY_SIDE)
