"""The dense CRF on label maps at the original size, by pydensecrf on a permutohedral lattice (optional in the paper).

The official evaluation hands it colours in the order blue, green, red; to a colour kernel of one width for all three
channels the order does not matter, so that it is red, green, blue here.
"""

from collections.abc import Iterable
from functools import partial
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.errors import InputError
from pipeline.metrics.confusion import Confusion
from pipeline.networks.upsampling import upsampling_matrix
from pipeline.params import LabelCrf
from pipeline.runtime import process_pool
from pipeline.segmentation.label_batches import LabelledSquares

# The least probability that the CRF is told of, as in pydensecrf's own reading of a softmax.
LEAST = 1e-5


def require_backend(settings: LabelCrf) -> None:
    """Raise InputError when a CRF is asked for that is not installed; to be called before anything is trained."""
    if settings.backend != "none":
        _dense_crf()


def score_after_crf(
    logits: Iterable[Float[Tensor, "_ c h w"]], squares: LabelledSquares, settings: LabelCrf
) -> Confusion:
    """Confusion of the label maps that the CRF makes of logits, at every image's original size.

    `logits` come in batches, in the order of `squares`; many processes work on one image each at a time.
    """
    confusion, done = Confusion(len(squares.classes), len(squares.classes)), 0
    refine = partial(refine_labels, size=squares.size, settings=settings)
    with process_pool(__name__) as pool:
        for batch in logits:
            images, truths = zip(*map(squares.original, range(done, done + len(batch))), strict=True)
            for refined, truth in zip(pool.map(refine, images, batch.cpu().numpy()), truths, strict=True):
                confusion.add(refined, truth)
            done += len(batch)
    return confusion


def refine_labels(
    image: UInt8[np.ndarray, "h w 3"], logits: Float[np.ndarray, "c g g2"], size: int, settings: LabelCrf
) -> UInt8[np.ndarray, "h w"]:
    """The label map of one image after the CRF: the most probable class of every pixel."""
    height, width = image.shape[:2]
    full = original_size(torch.from_numpy(logits), size, height, width)
    energy = -full.log_softmax(0).clamp_min(float(np.log(LEAST)))
    crf = _dense_crf().DenseCRF2D(width, height, len(logits))
    crf.setUnaryEnergy(energy.flatten(1).contiguous().numpy())
    crf.addPairwiseGaussian(sxy=settings.smoothness_sigma, compat=settings.smoothness_weight)
    crf.addPairwiseBilateral(
        sxy=settings.position_sigma,
        srgb=settings.colour_sigma,
        rgbim=np.ascontiguousarray(image),
        compat=settings.appearance_weight,
    )
    probable = np.array(crf.inference(settings.iterations)).argmax(axis=0)
    return probable.reshape(height, width).astype(np.uint8)


def original_size(logits: Float[Tensor, "c g g2"], size: int, height: int, width: int) -> Float[Tensor, "c h w"]:
    """Logits upsampled to the square that the network saw, and from there to the original size, both bilinearly."""
    rows, columns = (
        upsampling_matrix(size, target, logits) @ upsampling_matrix(side, size, logits)
        for side, target in zip(logits.shape[1:], (height, width), strict=True)
    )
    return rows @ logits @ columns.T


def _dense_crf() -> ModuleType:
    try:
        import pydensecrf.densecrf as dense_crf  # type: ignore[import-not-found]  # the extra `crf`, seldom there
    except ImportError as error:
        raise InputError(
            "crf.backend of probe_linear or finetune is pydensecrf, which is not installed; install it by "
            "`.venv/bin/uv pip install --python .venv/bin/python --requirements pyproject.toml --extra crf` (on Python "
            "3.13 as docs/dependencies.md says), or set crf.backend to none"
        ) from error
    return dense_crf
