"""Silhouettes of the sample's classes: outlines drawn from a stream, posed, and filled with antialiasing.

An outline is a list of closed curves in the plane: the first is filled, the following ones are holes.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

Curve = Float[np.ndarray, "points 2"]
Outline = list[Curve]

SUPERSAMPLE = 4


def polar(radii: Float[np.ndarray, " points"]) -> Curve:
    """The closed curve about the origin with these radii at equal angles, the first one upwards."""
    angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False) - np.pi / 2
    return radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def star(rng: np.random.Generator) -> Outline:
    """Five pointed limbs."""
    radii = np.ones(10)
    radii[1::2] = rng.uniform(0.42, 0.52)
    radii[::2] *= rng.uniform(0.92, 1.08, size=5)
    return [polar(radii)]


def fish(rng: np.random.Generator) -> Outline:
    """A rounded body that narrows to a forked tail."""
    along = np.linspace(0, 0.9, 40)
    back = np.stack([1 - 2 * along, rng.uniform(0.5, 0.62) * np.sin(np.pi * along) ** 0.8], axis=1)
    fork = np.array([(-1.3, rng.uniform(0.45, 0.6)), (rng.uniform(-1.15, -1.05), 0)])
    upper = np.concatenate([back, fork])
    return [np.concatenate([upper, upper[-2:0:-1] * (1, -1)])]


def moon(rng: np.random.Generator) -> Outline:
    """A crescent: an arc of the unit circle, and an arc of a smaller circle back through its tips."""
    tip, shift = rng.uniform(2.2, 2.4), rng.uniform(0.5, 0.65)
    inner_tip = np.arctan2(np.sin(tip), np.cos(tip) + shift)
    radius = np.hypot(np.sin(tip), np.cos(tip) + shift)
    inner = radius * _arc(inner_tip, -inner_tip) - (shift, 0)
    return [np.concatenate([_arc(-tip, tip), inner])]


def comb(rng: np.random.Generator) -> Outline:
    """A straight back with four or five teeth, gaps as wide as teeth."""
    teeth = int(rng.integers(4, 6))
    root, tip = -rng.uniform(0.1, 0.3), rng.uniform(0.55, 0.8)
    edges = np.linspace(1, -1, 2 * teeth)
    heights = np.tile([tip, tip, root, root], teeth)[: 4 * teeth - 2]
    return [np.concatenate([np.stack([np.repeat(edges, 2)[1:-1], heights], axis=1), [(-1, -0.6), (1, -0.6)]])]


def ring(rng: np.random.Generator) -> Outline:
    """A round band about a hole."""
    circle = polar(np.ones(120))
    return [circle, rng.uniform(0.45, 0.6) * circle]


# In the order of the class indices; index 0 is background.
SHAPES: dict[str, Callable[[np.random.Generator], Outline]] = {
    "star": star,
    "fish": fish,
    "moon": moon,
    "comb": comb,
    "ring": ring,
}


def posed(outline: Outline, rng: np.random.Generator) -> Outline:
    """The outline mirrored, turned by at most 25 degrees, sheared, stretched, in perspective; then of unit area.

    The bounding box is centred on the origin.
    """
    turn, shear = np.deg2rad(rng.uniform(-25, 25)), rng.uniform(-0.15, 0.15)
    stretch, mirror = rng.uniform(0.87, 1.15), rng.choice([-1, 1])
    tilt = rng.uniform(-0.12, 0.12, size=2)
    cos, sin = np.cos(turn), np.sin(turn)
    moved = []
    for curve in outline:
        x, y = mirror * stretch * curve[:, 0] + shear * curve[:, 1], curve[:, 1] / stretch
        depth = 1 + tilt[0] * x + tilt[1] * y
        moved.append(np.stack([cos * x - sin * y, sin * x + cos * y], axis=1) / depth[:, None])
    area = _area(moved[0]) - sum(_area(hole) for hole in moved[1:])
    centre = (moved[0].max(axis=0) + moved[0].min(axis=0)) / 2
    return [(curve - centre) / np.sqrt(area) for curve in moved]


def coverage(outline: Outline, height: int, width: int) -> Float[np.ndarray, "{height} {width}"]:
    """The share of every pixel that the outline covers, in [0, 1]; coordinates are (x, y) in pixels."""
    canvas = Image.new("L", (width * SUPERSAMPLE, height * SUPERSAMPLE))
    draw = ImageDraw.Draw(canvas)
    for i, curve in enumerate(outline):
        draw.polygon((curve * SUPERSAMPLE).ravel().tolist(), fill=0 if i else 255)
    return np.asarray(canvas.reduce(SUPERSAMPLE), dtype=np.float64) / 255


def _arc(start: float, stop: float) -> Curve:
    angles = np.linspace(start, stop, 60)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _area(curve: Curve) -> float:
    x, y = curve.T
    return abs(float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))) / 2
