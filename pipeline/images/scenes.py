"""One image of the sample: objects placed, textured, lit and photographed over a ground.

What an object is (class, silhouette, pose, place) and what it looks like (colour, texture, light) come from
two random streams, so that the look is independent of the class by construction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import gaussian_filter, shift

from pipeline.images.shapes import SHAPES, Outline, coverage, posed
from pipeline.images.textures import clutter, field, scene_colours, surface
from pipeline.seeding import generator

Plane = Float[np.ndarray, "h w"]
Picture = Float[np.ndarray, "h w 3"]
Colours = Float[np.ndarray, "2 3"]
Vector = Float[np.ndarray, "2"]

# By the number of objects: the range of each one's area and of the shorter side, as fractions of the image
# and of its longer side. Two objects stand in the two halves of a longish image.
AREAS = {1: (0.18, 0.42), 2: (0.08, 0.2)}
ASPECTS = {1: (0.72, 1.0), 2: (0.62, 0.76)}
MARGIN = 0.04


@dataclass(frozen=True)
class Scene:
    """A rendered image and the class index of every pixel (0 is background)."""

    rgb: UInt8[np.ndarray, "h w 3"]
    labels: UInt8[np.ndarray, "h w"]


def draw_scene(seed: int, image_id: str, classes: Sequence[int], size: int, cluttered: bool) -> Scene:
    """An image with one object for each index in `classes` (one or two), its longer side `size` pixels.

    It depends on these arguments only, not on the other images.
    """
    form, look = generator(seed, "form", image_id), generator(seed, "look", image_id)
    height, width = _dimensions(form, size, len(classes))
    covers = [coverage(outline, height, width) for outline in _placed(form, classes, height, width)]
    ground, *objects = scene_colours(look, len(classes))
    light = _light(look)
    rgb = _ground(look, height, width, ground, cluttered)
    labels = np.zeros((height, width), np.uint8)
    for index, cover, colours in zip(classes, covers, objects, strict=True):
        rgb = _with_object(look, rgb, cover, colours, light)
        labels[cover >= 0.5] = index
    return Scene(_photographed(look, rgb, light), labels)


def _dimensions(rng: np.random.Generator, size: int, objects: int) -> tuple[int, int]:
    short = round(size * rng.uniform(*ASPECTS[objects]))
    return (size, short) if rng.random() < 0.3 else (short, size)


def _placed(rng: np.random.Generator, classes: Sequence[int], height: int, width: int) -> list[Outline]:
    """An outline for every object, each in its own cell: the image, or about one half of its longer side."""
    size = np.array([width, height])
    cuts = [0.0, 1.0] if len(classes) == 1 else [0.0, rng.uniform(0.47, 0.53), 1.0]
    longer, margin = np.arange(2) == size.argmax(), MARGIN * size.max()
    areas = np.array(AREAS[len(classes)]) * height * width
    outlines = []
    for i, index in enumerate(classes):
        low = size * np.where(longer, cuts[i], 0) + margin
        high = size * np.where(longer, cuts[i + 1], 1) - margin
        outlines.append(_fitted(rng, index, low, high, areas))
    return outlines


def _fitted(rng: np.random.Generator, index: int, low: Vector, high: Vector, areas: Vector) -> Outline:
    """An outline of class `index` between two corners, of an area from the range or the largest that fits."""
    kind = list(SHAPES.values())[index - 1]
    while True:
        outline = posed(kind(rng), rng)
        extent = np.ptp(outline[0], axis=0)
        scale = min(np.sqrt(rng.uniform(*areas)), *((high - low) / extent))
        if scale**2 >= areas[0]:
            break
    slack = (high - low - scale * extent) / 2
    # The mean of two draws favours the middle, as photographers do.
    centre = (low + high) / 2 + slack * rng.uniform(-1, 1, size=(2, 2)).mean(axis=0)
    return [scale * curve + centre for curve in outline]


def _light(rng: np.random.Generator) -> Vector:
    """The direction towards the light, as (row, column)."""
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.sin(angle), np.cos(angle)])


def _ground(rng: np.random.Generator, height: int, width: int, colours: Colours, cluttered: bool) -> Picture:
    rgb = surface(rng, height, width, colours, quiet=not cluttered)
    for _ in range(rng.integers(4, 11) if cluttered else 0):
        # Near the line through the two ground colours, so that clutter stands out less than an object.
        colour = colours[0] + rng.uniform(-1, 2) * (colours[1] - colours[0]) + rng.normal(0, 0.1, size=3)
        rgb = _over(rgb, rng.uniform(0.5, 1) * clutter(rng, height, width), colour.clip(0, 1))
    return rgb


def _with_object(rng: np.random.Generator, rgb: Picture, cover: Plane, colours: Colours, light: Vector) -> Picture:
    """The object over its own shadow, shaded as a cushion: brighter on the sides that face the light."""
    height, width = cover.shape
    side = max(height, width)
    fallen = shift(cover, -light * side * rng.uniform(0.01, 0.05), order=1)
    shadow = rng.uniform(0.1, 0.5) * gaussian_filter(fallen, side * rng.uniform(0.01, 0.03))
    fall, tilt = np.gradient(gaussian_filter(cover, side * rng.uniform(0.03, 0.06)))
    shading = 1 - rng.uniform(0.05, 0.3) * (fall * light[0] + tilt * light[1]) / np.hypot(fall, tilt).max()
    paint = surface(rng, height, width, colours, quiet=False) * shading[..., None]
    return _over(rgb * (1 - shadow[..., None]), cover, paint)


def _over(rgb: Picture, cover: Plane, paint: Float[np.ndarray, "*hw 3"]) -> Picture:
    return rgb + cover[..., None] * (paint - rgb)


def _photographed(rng: np.random.Generator, rgb: Picture, light: Vector) -> UInt8[np.ndarray, "h w 3"]:
    """Uneven light, exposure, blur and sensor noise."""
    height, width, _ = rgb.shape
    rows, columns = np.mgrid[:height, :width] / max(height, width) - 0.5
    glow = 1 + rng.uniform(0, 0.35) * (rows * light[0] + columns * light[1])
    glow += rng.uniform(0, 0.15) * (field(rng, height, width, height / 2) - 0.5)
    exposed = rng.uniform(0.85, 1.12) * glow[..., None] * rgb
    focus = rng.uniform(0.2, 0.7)
    grain = rng.normal(0, rng.uniform(0.005, 0.02), size=rgb.shape)
    return (255 * (gaussian_filter(exposed, (focus, focus, 0)) + grain).clip(0, 1) + 0.5).astype(np.uint8)
