"""All four priors of photographs at 400x300: processor time of each, and two processes against one."""

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial

import numpy as np
from PIL import Image
from skimage import data

from benchmarks.measure import interleaved, published
from pipeline.params import ComputePriors
from pipeline.priors import compute
from pipeline.priors.compute import compute_prior
from pipeline.runtime import environment, process_pool

WIDTH, HEIGHT, ROUNDS, IMAGES = 400, 300, 3, 8
PRIORS = ("rbd", "dsr", "mc", "hs")


def run() -> dict[str, object]:
    """Milliseconds of wall time of an image's four priors, in two processes (`ours`) and in one (`reference`).

    `scaling` is their ratio; `ms_per_image` is processor time, of which `parts` tells the share of each prior.
    """
    images, settings = photographs(), ComputePriors.model_validate(published("compute_priors"))
    parts = {name: 1000 * processor_seconds(images, name, settings) for name in PRIORS}
    with processes(2) as two, processes(1) as one:
        ours, reference = interleaved(
            partial(all_priors, two, settings), partial(all_priors, one, settings), ROUNDS, wall=True
        )
    per_image = 1000 / IMAGES
    return {
        "ratio": reference / ours,
        "ours": per_image * ours,
        "reference": per_image * reference,
        "unit": "ms",
        "scaling": reference / ours,
        "ms_per_image": sum(parts.values()),
        "parts": parts,
    }


@contextmanager
def processes(count: int) -> Iterator[Executor]:
    """A pool of so many processes."""
    with environment(MASKCONTRAST_WORKERS=str(count)), process_pool(compute.__name__) as pool:
        yield pool


def photographs() -> list[np.ndarray]:
    """Photographs that come with scikit-image, at the size of the benchmark."""
    found = (data.chelsea(), data.coffee(), data.rocket(), data.astronaut())
    return [np.array(Image.fromarray(each).resize((WIDTH, HEIGHT))) for each in found]


def processor_seconds(images: list[np.ndarray], name: str, settings: ComputePriors) -> float:
    """Median over images of the processor time of a prior."""
    seconds = []
    for image in images:
        start = time.process_time()
        compute_prior(image, name, settings)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def all_priors(pool: Executor, settings: ComputePriors) -> None:
    """Every prior of `IMAGES` photographs, computed in the pool."""
    images = photographs()
    for name in PRIORS:
        list(pool.map(partial(compute_prior, name=name, settings=settings), (images * IMAGES)[:IMAGES], chunksize=2))
