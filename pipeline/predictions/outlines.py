"""A mask as polygons or as runs of pixels, in COCO's terms, both exact to the pixel.

Polygons go along the edges of pixels, so that filling them gives the mask again. They cannot say what a hole is.
"""

import itertools

import numpy as np
from jaxtyping import Bool, Int64

Vertex = tuple[int, int]
# Directions right, down, left, up, as (row, column) steps; a right turn is the next one.
STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def run_lengths(mask: Bool[np.ndarray, "h w"]) -> list[int]:
    """COCO's uncompressed RLE: lengths of runs in column order, the first one of background."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat, prepend=False))
    return np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()


def polygons(mask: Bool[np.ndarray, "h w"]) -> list[list[int]] | None:
    """The outlines [x, y, x, y, ...] of all connected parts of a mask, corners only; None where a part has a hole.

    Parts are connected by edges: of two pixels that touch at a corner alone, each has an outline of its own.
    """
    found = [_corners(outline) for outline in _outlines(mask)]
    if any(_signed_area(outline) < 0 for outline in found):
        return None
    return [[int(number) for row, column in outline for number in (column, row)] for outline in found]


def _outlines(mask: Bool[np.ndarray, "h w"]) -> list[list[Vertex]]:
    """Closed walks along the edges between mask and ground, the mask on the right hand."""
    edges = _edges(mask)
    walks = []
    while edges:
        at, heading = next(iter(edges))
        walk = []
        while (at, heading) in edges:
            del edges[at, heading]
            walk.append(at)
            at = (at[0] + STEPS[heading][0], at[1] + STEPS[heading][1])
            # Where two pixels touch at a corner, the right turn stays with the one that is walked round.
            heading = next((turn % 4 for turn in (heading + 1, heading, heading + 3) if (at, turn % 4) in edges), 0)
        walks.append(walk)
    return walks


def _edges(mask: Bool[np.ndarray, "h w"]) -> dict[tuple[Vertex, int], None]:
    """Where each edge starts and which way it goes: above a pixel right, on its right down, below left, then up."""
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    beside = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])
    starts = ((0, 0), (0, 1), (1, 1), (1, 0))
    return {
        ((row + down, column + across), heading): None
        for heading, (neighbour, (down, across)) in enumerate(zip(beside, starts, strict=True))
        for row, column in np.argwhere(inner & ~neighbour).tolist()
    }


def _corners(walk: list[Vertex]) -> Int64[np.ndarray, "n 2"]:
    """The vertices of a walk at which it turns."""
    points = np.array(walk)
    turning = (np.roll(points, -1, axis=0) - points != points - np.roll(points, 1, axis=0)).any(axis=1)
    return points[turning]


def _signed_area(outline: Int64[np.ndarray, "n 2"]) -> int:
    """Positive for an outline with the mask inside, negative for a hole."""
    pairs = itertools.pairwise([*outline.tolist(), outline[0].tolist()])
    return sum(column * next_row - next_column * row for (row, column), (next_row, next_column) in pairs)
