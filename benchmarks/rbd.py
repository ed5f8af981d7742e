"""The prior RBD of one photograph, against the same formulas in plain loops over superpixels."""

import heapq
from collections.abc import Callable

import numpy as np
from PIL import Image
from skimage import data
from skimage.color import rgb2lab
from skimage.filters import threshold_otsu

from benchmarks.measure import interleaved, published
from pipeline.params import Rbd
from pipeline.priors.rbd import rbd
from pipeline.priors.superpixels import slic_labels

WIDTH, HEIGHT, ROUNDS = 400, 300, 5
SETTINGS = Rbd.model_validate(published("compute_priors")["rbd"])


def run() -> dict[str, object]:
    """Milliseconds of processor time of one map; both are first asserted to agree to 1e-6."""
    image = np.array(Image.fromarray(data.chelsea()).resize((WIDTH, HEIGHT)))
    np.testing.assert_allclose(rbd(image, SETTINGS), in_loops(image, SETTINGS), atol=1e-6)
    ours, reference = interleaved(lambda: rbd(image, SETTINGS), lambda: in_loops(image, SETTINGS), ROUNDS)
    return {"ratio": reference / ours, "ours": 1000 * ours, "reference": 1000 * reference, "unit": "ms"}


def in_loops(image: np.ndarray, settings: Rbd) -> np.ndarray:
    """RBD as one would first write it: a mask for every superpixel, a loop for every sum, a heap for every path."""
    labels = slic_labels(rgb2lab(image), settings.superpixels, settings.compactness)
    colours, positions = region_means(image, labels)
    neighbours, border = graph(labels, settings.boundary_band)
    colour = distances(colours)
    second = [set.union(ring, *(neighbours[j] for j in ring)) - {i} for i, ring in enumerate(neighbours)]
    nearest = float(np.mean([min(colour[i, j] for j in ring) for i, ring in enumerate(neighbours)]))
    clip = float(np.mean([min(colour[i, j] for j in ring) for i, ring in enumerate(second)]))
    edges = sorted(colour[i, j] for i, ring in enumerate(neighbours) for j in ring if i < j)
    top = float(np.mean(edges[-max(1, round(len(edges) / 100)) :]))
    geodesic_sigma = max(5.0, min(10.0, 3 * nearest, top / 10))
    neighbour_sigma = min(3 * nearest, 0.2 * top, 20.0)

    joined = [ring | ({*border} - {i} if i in border else set()) for i, ring in enumerate(neighbours)]
    paths = [shortest_paths(i, joined, lambda i, j: max(0.0, colour[i, j] - clip)) for i in range(len(joined))]
    connectivity = []
    for reached in paths:
        alike = [kernel(length, geodesic_sigma) for length in reached]
        connectivity.append(sum(alike[j] for j in border) / np.sqrt(sum(alike)))
    background = [1 - np.exp(-(each**2) / 2) for each in connectivity]
    contrast = background_contrast(colour, distances(positions), background, settings.position_sigma)

    system = np.zeros((len(joined), len(joined)))
    for i in range(len(joined)):
        weight = 1000.0 if connectivity[i] > 3 else background[i]
        system[i, i] += settings.background_weight * weight + contrast[i]
        for j in second[i] | joined[i]:
            link = kernel(colour[i, j], neighbour_sigma) + settings.smoothness * (j in neighbours[i])
            system[i, i] += link
            system[i, j] -= link
    return paint(labels, scaled(np.linalg.solve(system, contrast)))


def region_means(image: np.ndarray, labels: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Lab of the mean colour and mean position of every superpixel."""
    colours, positions = [], []
    for label in range(labels.max() + 1):
        inside = labels == label
        colours.append(rgb2lab(image[inside].mean(axis=0)[None, None] / 255)[0, 0].round(6))
        positions.append((np.argwhere(inside).mean(axis=0) + 0.5) / labels.shape)
    return colours, positions


def graph(labels: np.ndarray, band: int) -> tuple[list[set[int]], list[int]]:
    """The neighbours of every superpixel, and those within `band` pixels of the border of the image."""
    neighbours: list[set[int]] = [set() for _ in range(labels.max() + 1)]
    height, width = labels.shape
    border = set()
    for y in range(height):
        for x in range(width):
            if min(y, x, height - 1 - y, width - 1 - x) < band:
                border.add(int(labels[y, x]))
            for other in labels[y + 1 : y + 2, x].tolist() + labels[y, x + 1 : x + 2].tolist():
                if other != labels[y, x]:
                    neighbours[labels[y, x]].add(other)
                    neighbours[other].add(int(labels[y, x]))
    return neighbours, sorted(border)


def distances(points: list[np.ndarray]) -> np.ndarray:
    """Euclidean distances of all pairs."""
    found = np.zeros((len(points), len(points)))
    for i, one in enumerate(points):
        for j, other in enumerate(points):
            found[i, j] = np.sqrt(((one - other) ** 2).sum())
    return found


def shortest_paths(start: int, neighbours: list[set[int]], step: Callable[[int, int], float]) -> list[float]:
    """Dijkstra's shortest paths from one superpixel to all."""
    lengths = [np.inf] * len(neighbours)
    lengths[start] = 0.0
    waiting = [(0.0, start)]
    while waiting:
        length, i = heapq.heappop(waiting)
        for j in neighbours[i] if length == lengths[i] else ():
            longer = length + step(i, j)
            if longer < lengths[j]:
                lengths[j] = longer
                heapq.heappush(waiting, (longer, j))
    return lengths


def kernel(distance: float, sigma: float) -> float:
    """A Gaussian, cut off at three sigma."""
    return float(np.exp(-(distance**2) / (2 * sigma**2))) if distance <= 3 * sigma else 0.0


def background_contrast(colour: np.ndarray, position: np.ndarray, background: list[float], sigma: float) -> np.ndarray:
    """Contrast to near background, without what is below Otsu's threshold."""
    sums = []
    for i in range(len(background)):
        sums.append(sum(colour[i, j] * kernel(position[i, j], sigma) * background[j] for j in range(len(background))))
    contrast = scaled(np.array(sums))
    return np.where(contrast < threshold_otsu(contrast), 0.0, contrast)


def scaled(values: np.ndarray) -> np.ndarray:
    """Values in [0, 1]."""
    return (values - values.min()) / (values.max() - values.min())


def paint(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The map of values, superpixel by superpixel."""
    painted = np.zeros(labels.shape)
    for label, value in enumerate(values):
        painted[labels == label] = value
    return painted
