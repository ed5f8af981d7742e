"""Rows of pictures: the saliency chain, the label maps, and the nearest neighbours of a few objects."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from pipeline.embedding_store import EmbeddingStore
from pipeline.images.codecs import decode_image, decode_labels, decode_map
from pipeline.images.nearest import nearest
from pipeline.mask_store import MaskStore
from pipeline.packed import Packed
from pipeline.report.figures import IGNORED, Overlay, painted
from pipeline.report.page.blocks import Strip, Tile
from pipeline.report.page.thumbnails import map_thumbnail, object_thumbnail, thumbnail

SIDE, CHAIN_IMAGES, QUERIES, NEIGHBOURS = 144, 12, 8, 7


def spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` of the numbers below `count`, evenly spaced."""
    return np.linspace(0, count - 1, min(wanted, count)).astype(int).tolist()


def chain_strip(
    images: Packed, truth: Packed, maps: Mapping[str, Path], masks: Path, count: int = CHAIN_IMAGES
) -> Strip:
    """Evenly spaced images, each with its map of every source, its mask, and the truth where anyone has drawn it."""
    sources, kept = {name: Packed(path, "maps") for name, path in maps.items()}, MaskStore(masks)
    heads = ["image", *sources, "mask", *(["truth"] if len(truth) else [])]
    rows = []
    for i in spread(len(images), count):
        image_id = images.ids[i]
        found = [decode_map(source[source.index(image_id)]) for source in sources.values()]
        mask = kept[kept.index(image_id)].astype(np.float32)
        tiles = [
            Tile(thumbnail(decode_image(images[i]), SIDE)),
            *(Tile(map_thumbnail(m, SIDE)) for m in (*found, mask)),
        ]
        if len(truth):
            tiles.append(_truth_tile(truth, image_id))
        rows.append((image_id, tiles))
    return Strip(heads, rows)


def _truth_tile(truth: Packed, image_id: str) -> Tile:
    if image_id not in truth.ids:
        return Tile("")
    labels = decode_labels(truth[truth.index(image_id)])
    return Tile(map_thumbnail(np.where(labels == IGNORED, 0.5, labels > 0), SIDE))


def overlay_strips(rows: Sequence[Overlay], legend: Sequence[str]) -> list[Strip]:
    """What was drawn for the figure of overlays: image, mask, clusters by colour, and the truth where there is any.

    The rows are dealt to two strips that stand side by side where there is room.
    """
    scored = any(row.truth is not None for row in rows)
    heads = ["image", "mask", "clusters, named" if scored else "clusters", *(["truth"] if scored else [])]
    lines = []
    for row in rows:
        mask = None if row.mask is None else row.mask.astype(np.uint8) * 2
        drawn = [None if m is None else painted(row.image, m) for m in (mask, row.predicted, row.truth)]
        names = ["", _named(row.predicted, legend), _named(row.truth, legend)]
        tiles = [
            Tile("" if picture is None else thumbnail(picture, SIDE), name)
            for picture, name in zip((row.image, *drawn), ("", *names), strict=True)
        ]
        lines.append((row.image_id, tiles[: len(heads)]))
    half = -(-len(lines) // 2)
    return [Strip(heads, part, wide=False) for part in (lines[:half], lines[half:]) if part]


def _named(labels: UInt8[np.ndarray, "h w"] | None, legend: Sequence[str]) -> str:
    """The names of what a label map holds besides background, in place of a legend of its colours."""
    present = [] if labels is None else np.setdiff1d(labels, [0, IGNORED])
    return ", ".join(legend[int(label)] for label in present)


def neighbour_strip(images: Packed, stored: EmbeddingStore, ids: Sequence[str], name_of: Callable[[str], str]) -> Strip:
    """A few of the images `ids` beside the images of the whole set whose mask embeddings are nearest by cosine.

    What `name_of` an image says stands below it; a neighbour of another name than the query's is marked.
    """
    vectors = stored.embeddings("maskcontrast")
    salient = np.flatnonzero(np.linalg.norm(vectors, axis=1) > 0)
    asked = np.intersect1d([stored.index(image_id) for image_id in ids], salient)
    rows = []
    for query in asked[spread(len(asked), QUERIES)].tolist() if len(asked) else []:
        near = [query, *_nearest(vectors, salient, query)]
        shown = [(stored.ids[i], name_of(stored.ids[i])) for i in near]
        tiles = [
            Tile(object_picture(images, stored, image_id, SIDE), name, bool(name) and name != shown[0][1])
            for image_id, name in shown
        ]
        rows.append((shown[0][0], tiles))
    return Strip(["query", *(f"{i}." for i in range(1, NEIGHBOURS + 1))], rows)


def _nearest(vectors: Float32[np.ndarray, "n d"], among: Int64[np.ndarray, " m"], query: int) -> list[int]:
    others = among[among != query]
    similar = (vectors[others] @ vectors[query]).round(6)  # last digits differ between machines
    return others[np.argsort(-similar, kind="stable")[:NEIGHBOURS]].tolist()


def object_picture(images: Packed, stored: EmbeddingStore, image_id: str, side: int) -> str:
    """An image with what was found salient in its colours."""
    image = decode_image(images[images.index(image_id)])
    return object_thumbnail(image, stored.foreground(stored.index(image_id)), side)


def true_class(stored: EmbeddingStore, labels: Packed, classes: Sequence[str], image_id: str) -> str:
    """The class that most of an image's salient pixels have, background only where there is no other.

    Empty where nobody has labelled the image.
    """
    if image_id not in labels.ids:
        return ""
    truth = decode_labels(labels[labels.index(image_id)])
    inside = truth[nearest(stored.foreground(stored.index(image_id)), truth.shape)]
    counts = np.bincount(inside[inside != IGNORED], minlength=len(classes))
    return classes[1 + int(counts[1:].argmax()) if counts[1:].any() else 0]
