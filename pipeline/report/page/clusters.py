"""What the groups of one clustering hold: a card for each, and a map of all embeddings."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int32, Int64

from pipeline.cluster_store import ClusterStore
from pipeline.embedding_store import EmbeddingStore
from pipeline.packed import Packed
from pipeline.report.page.blocks import Sheet, Tile
from pipeline.report.page.strips import object_picture, spread

SIDE, NEAR, BORDERLINE, CARDS = 80, 10, 5, 60
POINT_SIDE, POINTS = 72, 1500


class Members(NamedTuple):
    """The images of one clustering in which something is salient, by their row among all images.

    `nearest` and `second` are the two nearest clusters; `distance` is that to the first, `margin` how much further
    the second is.
    """

    rows: Int64[np.ndarray, " m"]
    points: Float32[np.ndarray, "m p"]
    nearest: Int32[np.ndarray, " m"]
    second: Int32[np.ndarray, " m"]
    distance: Float[np.ndarray, " m"]
    margin: Float[np.ndarray, " m"]


class MapPoint(NamedTuple):
    """One object on the map: its image, cluster, place, and picture."""

    image_id: str
    cluster: int
    x: float
    y: float
    picture: str


def members_of(found: ClusterStore, stored: EmbeddingStore, clusters: int, seed: int) -> Members:
    """The members of one seed's clustering into so many clusters, background counted."""
    run = found.runs("maskcontrast", clusters)[seed]
    kept = np.flatnonzero(run.assignments >= 0)
    rows = np.array([stored.index(found.ids[i]) for i in kept], dtype=np.int64)
    points = found.projection("maskcontrast").apply(stored.embeddings("maskcontrast")[rows])
    # Rounded, since last digits differ between machines and would turn the order of what is all but equal.
    apart = np.linalg.norm(points[:, None] - run.centroids[None], axis=2).round(5)
    order, assigned = np.argsort(apart, axis=1, kind="stable"), run.assignments[kept]
    each = np.arange(len(kept))
    second = np.where(order[:, 0] == assigned, order[:, min(1, order.shape[1] - 1)], order[:, 0]).astype(np.int32)
    distance = apart[each, assigned]
    return Members(rows, points, assigned, second, distance, apart[each, second] - distance)


def cluster_sheet(images: Packed, stored: EmbeddingStore, members: Members, names: Sequence[str]) -> Sheet:
    """A card for each cluster, the largest first: what is nearest to its centroid, and what nearly fell elsewhere."""
    sizes = np.bincount(members.nearest, minlength=len(names))
    cards = []
    for cluster in np.argsort(-sizes, kind="stable")[:CARDS].tolist():
        own = np.flatnonzero(members.nearest == cluster)
        if not len(own):
            continue
        near = own[np.argsort(members.distance[own], kind="stable")[:NEAR]]
        doubtful = own[np.argsort(members.margin[own], kind="stable")]
        doubtful = doubtful[~np.isin(doubtful, near)][: BORDERLINE if len(names) > 1 else 0]

        def tiles(chosen: np.ndarray, texts: Sequence[str]) -> list[Tile]:
            ids = [stored.ids[i] for i in members.rows[chosen]]
            return [Tile(object_picture(images, stored, i, SIDE), t) for i, t in zip(ids, texts, strict=True)]

        groups = [("nearest to the centroid", tiles(near, [""] * len(near)))]
        if len(doubtful):
            others = [f"or {names[k]}" for k in members.second[doubtful]]
            groups.append(("borderline", tiles(doubtful, others)))
        cards.append((names[cluster], f"{len(own):,} objects", groups))
    return Sheet(cards)


def map_points(images: Packed, stored: EmbeddingStore, members: Members) -> tuple[list[MapPoint], list[float]]:
    """At most `POINTS` objects on the plane of their first two principal components, and the shares of these."""
    places, shares = plane(members.points)
    points = []
    for row in spread(len(members.rows), POINTS):
        image_id = stored.ids[members.rows[row]]
        picture = object_picture(images, stored, image_id, POINT_SIDE)
        x, y = places[row].tolist()
        points.append(MapPoint(image_id, int(members.nearest[row]), x, y, picture))
    return points, shares


def plane(points: Float32[np.ndarray, "m p"]) -> tuple[Float[np.ndarray, "m 2"], list[float]]:
    """The first two principal components, rounded, and their shares of the variance in percent.

    The sign of a component is free; here its largest entry is positive.
    """
    centred = points.astype(np.float64) - points.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred)
    axes, variances = axes[:, ::-1][:, :2], variances[::-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
    places = (centred @ axes).round(3) + 0.0
    shares = (100 * variances[:2] / max(variances.sum(), 1e-12)).round(1).tolist()
    missing = 2 - places.shape[1]
    return np.pad(places, ((0, 0), (0, missing))), [*shares, *([0.0] * missing)]
