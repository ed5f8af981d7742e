"""Surfaces and colours of the sample: random fields, patterns, clutter, and colours that are apart in CIELAB.

Everything here is drawn without knowledge of the class, so that neither colour nor texture can tell it.
"""

import numpy as np
from jaxtyping import Float
from PIL import Image
from skimage.color import rgb2lab

from pipeline.images.shapes import Curve, coverage, polar

Field = Float[np.ndarray, "h w"]

CONTRAST = 28


def field(rng: np.random.Generator, height: int, width: int, cell: float) -> Float[np.ndarray, "{height} {width}"]:
    """A smooth random field in [0, 1] that varies over about `cell` pixels."""
    grid = rng.random((max(2, round(height / cell) + 1), max(2, round(width / cell) + 1)))
    image = Image.fromarray(grid.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float64).clip(0, 1)


def fractal(rng: np.random.Generator, height: int, width: int) -> Field:
    """Octaves of fields, like cloud or stone."""
    cells = max(height, width) / np.array([2.5, 5, 10, 20, 40])
    weights = 0.6 ** np.arange(len(cells))
    octaves = [weight * field(rng, height, width, cell) for weight, cell in zip(weights, cells, strict=True)]
    return _stretched(np.sum(octaves, axis=0))


def stripes(rng: np.random.Generator, height: int, width: int) -> Field:
    """Parallel bands bent by a field, like wood or cloth."""
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    angle, bands = rng.uniform(0, np.pi), rng.uniform(5, 14)
    bend = rng.uniform(0, 0.25) * field(rng, height, width, height / 3)
    wave = np.sin(2 * np.pi * bands * (columns * np.cos(angle) + rows * np.sin(angle) + bend))
    return 0.5 + 0.5 * np.tanh(rng.uniform(0.8, 3) * wave)


def spots(rng: np.random.Generator, height: int, width: int) -> Field:
    """Irregular soft patches, like fur or moss."""
    patches = field(rng, height, width, max(height, width) / rng.uniform(9, 20))
    return 1 / (1 + np.exp(-rng.uniform(8, 20) * (patches - rng.uniform(0.45, 0.6))))


def weave(rng: np.random.Generator, height: int, width: int) -> Field:
    """Two crossing bands, like a basket."""
    return 0.6 * stripes(rng, height, width) + 0.4 * stripes(rng, height, width)


def slope(rng: np.random.Generator, height: int, width: int) -> Field:
    """A plain gradient across the image."""
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    angle = rng.uniform(0, 2 * np.pi)
    return _stretched(columns * np.cos(angle) + rows * np.sin(angle))


QUIET = (fractal, slope)
PATTERNS = (fractal, slope, stripes, spots, weave)


def surface(
    rng: np.random.Generator, height: int, width: int, colours: Float[np.ndarray, "2 3"], quiet: bool
) -> Float[np.ndarray, "{height} {width} 3"]:
    """RGB in [0, 1]: a random pattern (a smooth one if `quiet`) between two colours."""
    kinds = QUIET if quiet else PATTERNS
    share = kinds[rng.integers(len(kinds))](rng, height, width)[..., None]
    return colours[0] + share * (colours[1] - colours[0])


def clutter(rng: np.random.Generator, height: int, width: int) -> Field:
    """Coverage of one thing that is of no class: a bent stroke, an irregular blob, or a triangle or quadrangle."""
    kinds = (_stroke, _blob, _splinter)
    curve = kinds[rng.integers(len(kinds))](rng)
    return coverage([max(height, width) * curve + rng.random(2) * (width, height)], height, width)


def scene_colours(rng: np.random.Generator, objects: int) -> Float[np.ndarray, "surfaces 2 3"]:
    """Two RGB colours in [0, 1] for the ground (first) and for each of the objects.

    Both colours of an object are at least `CONTRAST` (CIELAB distance) from both colours of the ground.
    """
    pairs = [_related(rng, greyness=rng.uniform(0.3, 0.9), step=rng.uniform(0.08, 0.25))]
    while len(pairs) <= objects:
        pair = _related(rng, greyness=rng.uniform(0.1, 0.8), step=rng.uniform(0.1, 0.4))
        if np.linalg.norm(rgb2lab(pairs[0])[:, None] - rgb2lab(pair), axis=-1).min() >= CONTRAST:
            pairs.append(pair)
    return np.array(pairs)


def _related(rng: np.random.Generator, greyness: float, step: float) -> Float[np.ndarray, "2 3"]:
    """Two RGB colours of any hue, `step` apart, mostly in brightness."""
    vivid = rng.uniform(0.05, 0.95, size=3)
    first = vivid + greyness * (vivid.mean() - vivid)
    direction = rng.normal(size=3) + rng.normal(0, 1.5)
    return np.stack([first, (first + step * direction / np.linalg.norm(direction)).clip(0.02, 0.98)])


def _stroke(rng: np.random.Generator) -> Curve:
    angle = rng.uniform(0, 2 * np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    steps = np.linspace(-1, 1, 12)[:, None]
    spine = rng.uniform(0.15, 0.5) * steps * along + rng.uniform(-0.1, 0.1) * steps**2 * across
    half = rng.uniform(0.008, 0.025) * across
    return np.concatenate([spine + half, spine[::-1] - half])


def _blob(rng: np.random.Generator) -> Curve:
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    lobes = [rng.uniform(0.05, 0.2) * np.cos(k * angles + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4)]
    return polar(rng.uniform(0.04, 0.1) * (1 + np.sum(lobes, axis=0)))


def _splinter(rng: np.random.Generator) -> Curve:
    corners = polar(rng.uniform(0.04, 0.12, size=rng.integers(3, 5)))
    turn = rng.uniform(0, 2 * np.pi)
    return corners @ np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])


def _stretched(values: Field) -> Field:
    low, high = values.min(), values.max()
    return (values - low) / (high - low)
