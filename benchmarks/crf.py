"""The CRF of 32 images of 256 px on two cores: the grid against pydensecrf, or else against plain mean-field.

Ours takes two threads, the reference two processes that share the images; wall time, since processes have clocks of
their own. Where pydensecrf is not installed, the reference is mean-field as its formulas read, image by image with
both labels, on a grid as large as ours.
"""

from concurrent.futures import Executor
from importlib.util import find_spec

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from benchmarks.measure import interleaved, published
from pipeline.images.scenes import draw_scene
from pipeline.params import Crf
from pipeline.pseudolabels.grid_crf import CERTAINTY, REFERENCE_SIDE, sharpen_on_grid
from pipeline.pseudolabels.lattice_crf import sharpen_image
from pipeline.runtime import environment, process_pool

BATCH, SIZE, ROUNDS, CORES = 32, 256, 5, 2
SETTINGS = Crf.model_validate(published("refine_pseudolabels")["crf"] | {"grid": 32})
LIBRARY = find_spec("pydensecrf") is not None


def run() -> dict[str, object]:
    """Milliseconds of an image; both are first asserted to agree on nineteen of twenty pixels."""
    threads = torch.get_num_threads()
    torch.set_num_threads(CORES)
    try:
        with environment(MASKCONTRAST_WORKERS=str(CORES)), process_pool(__name__) as pool:
            return _compare(*_inputs(), pool)
    finally:
        torch.set_num_threads(threads)


def _compare(images: np.ndarray, saliency: np.ndarray, pool: Executor) -> dict[str, object]:
    colours, maps = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(saliency)

    def ours() -> np.ndarray:
        return sharpen_on_grid(colours, maps, SETTINGS).numpy()

    def theirs() -> np.ndarray:
        return np.stack(list(pool.map(reference, images, saliency)))

    agreement = float(np.mean((ours() > 0.5) == (theirs() > 0.5)))
    assert agreement > 0.95, f"only {agreement:.3f} of the pixels agree"
    seconds, plain = interleaved(ours, theirs, ROUNDS, wall=True)
    return {
        "ratio": plain / seconds,
        "ours": 1000 * seconds / BATCH,
        "reference": 1000 * plain / BATCH,
        "unit": "ms",
        "against": "pydensecrf" if LIBRARY else "plain mean-field",
        "agreement": agreement,
    }


def _inputs() -> tuple[np.ndarray, np.ndarray]:
    """Cluttered scenes, which cost pydensecrf as much as photographs do, and their objects without sharp borders."""
    scenes = [draw_scene(0, str(i), [1 + i % 5], SIZE, cluttered=True) for i in range(BATCH)]
    images = [np.asarray(Image.fromarray(scene.rgb).resize((SIZE, SIZE))) for scene in scenes]
    masks = [np.asarray(Image.fromarray(scene.labels > 0).resize((SIZE, SIZE))) for scene in scenes]
    saliency = [0.1 + 0.8 * gaussian_filter(mask.astype(np.float32), SIZE / 32) for mask in masks]
    return np.stack(images), np.stack(saliency)


def reference(image: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """One map after pydensecrf, or after the plain formulation."""
    return sharpen_image(image, saliency, SETTINGS) if LIBRARY else _plain(image, saliency)


def _plain(image: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    side = SETTINGS.grid
    small = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX), dtype=np.float32)
    salient = np.asarray(Image.fromarray(saliency).resize((side, side), Image.Resampling.BOX)).ravel()
    position = np.mgrid[:side, :side].reshape(2, -1).T * np.float32(REFERENCE_SIDE / side)
    place = ((position[:, None] - position) ** 2).sum(2)
    colour = ((small.reshape(-1, 1, 3) - small.reshape(1, -1, 3)) ** 2).sum(2)
    smoothness = np.exp(-place / (2 * SETTINGS.smoothness_sigma**2))
    appearance = np.exp(-place / (2 * SETTINGS.position_sigma**2) - colour / (2 * SETTINGS.colour_sigma**2))
    kernel = SETTINGS.smoothness_weight * _normalised(smoothness) + SETTINGS.appearance_weight * _normalised(appearance)
    probabilities = np.stack([1 - salient, salient]).clip(CERTAINTY, 1 - CERTAINTY)
    beliefs = probabilities
    for _ in range(SETTINGS.iterations):
        beliefs = probabilities * np.exp(beliefs @ kernel)
        beliefs = beliefs / beliefs.sum(0)
    logits = np.log(beliefs[1] / beliefs[0]).reshape(side, side)
    return 1 / (1 + np.exp(-np.asarray(Image.fromarray(logits).resize(saliency.shape, Image.Resampling.BILINEAR))))


def _normalised(kernel: np.ndarray) -> np.ndarray:
    norm = kernel.sum(0) ** -0.5
    return norm[:, None] * kernel * norm
