"""The CRF by pydensecrf at full resolution, on a permutohedral lattice; many processes, one image each at a time."""

from functools import partial
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.errors import InputError
from pipeline.params import Crf
from pipeline.progress import track
from pipeline.pseudolabels.grid_crf import CERTAINTY, REFERENCE_SIDE
from pipeline.runtime import process_pool
from pipeline.scratch import IN_MEMORY, Scratch


def sharpen_on_lattice(
    images: UInt8[Tensor, "n 3 h w"], saliency: Float[Tensor, "n h w"], settings: Crf, scratch: Scratch = IN_MEMORY
) -> Float[Tensor, "n h w"]:
    """What `sharpen_on_grid` approximates: the same energy at full resolution, `settings.grid` left aside.

    Raises InputError when pydensecrf is not installed.
    """
    _dense_crf()  # if it is missing, that is said once and here, not by every process
    sharpened = scratch.tensor(saliency.shape, saliency.dtype)
    colours = images.permute(0, 2, 3, 1).numpy()
    with process_pool(__name__) as pool:
        maps = pool.map(partial(sharpen_image, settings=settings), colours, saliency.numpy(), chunksize=4)
        for i, each in enumerate(track(maps, "CRF", total=len(saliency))):
            sharpened[i] = torch.from_numpy(each)
    return sharpened


def sharpen_image(
    image: UInt8[np.ndarray, "h w 3"], saliency: Float[np.ndarray, "h w"], settings: Crf
) -> Float[np.ndarray, "h w"]:
    """One map in [0, 1] after the CRF."""
    height, width = saliency.shape
    scale = max(height, width) / REFERENCE_SIDE
    crf = _dense_crf().DenseCRF2D(width, height, 2)
    salient = saliency.clip(CERTAINTY, 1 - CERTAINTY).ravel()
    crf.setUnaryEnergy(-np.log(np.stack([1 - salient, salient]), dtype=np.float32))
    crf.addPairwiseGaussian(sxy=settings.smoothness_sigma * scale, compat=settings.smoothness_weight)
    crf.addPairwiseBilateral(
        sxy=settings.position_sigma * scale,
        srgb=settings.colour_sigma,
        rgbim=np.ascontiguousarray(image),
        compat=settings.appearance_weight,
    )
    return np.array(crf.inference(settings.iterations))[1].reshape(height, width)


def _dense_crf() -> ModuleType:
    try:
        import pydensecrf.densecrf as dense_crf  # type: ignore[import-not-found]  # the extra `crf`, seldom there
    except ImportError as error:
        raise InputError(
            "crf.backend is pydensecrf, which is not installed; install the extra `crf` as docs/dependencies.md says, "
            "or set crf.backend to grid"
        ) from error
    return dense_crf
