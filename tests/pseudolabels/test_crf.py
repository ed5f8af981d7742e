from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pipeline.priors.rbd import rbd
from pipeline.pseudolabels.crf import sharpen
from tests.images.trees import SHARED
from tests.profiles import SAMPLE, changed
from tests.pseudolabels.conftest import CRF

PHOTOS, SIZE = 50, 256
RBD = changed(SAMPLE.compute_priors.rbd, superpixels=200, boundary_band=5)


@pytest.mark.skipif(find_spec("pydensecrf") is None, reason="the extra `crf` is not installed")
@pytest.mark.skipif(not (SHARED / "ECSSD").is_dir(), reason="a copy of ECSSD does not lie beside the project")
def test_both_backends_agree_on_photographs_where_what_is_salient_was_open():
    photos = load_photos()
    images, saliency = torch.from_numpy(photos).permute(0, 3, 1, 2), torch.from_numpy(probabilities(photos))
    exact = sharpen(images, saliency, CRF.model_copy(update={"backend": "pydensecrf"}))
    approximate = sharpen(images, saliency, CRF.model_copy(update={"grid": 32}))
    assert agreement(saliency, exact) < 0.95
    assert agreement(approximate, exact) > 0.97


def load_photos() -> np.ndarray:
    """Every tenth image of ECSSD as a square."""
    paths = sorted((SHARED / "ECSSD" / "images").glob("*.jpg"))[::10][:PHOTOS]
    assert len(paths) == PHOTOS
    images = [Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR) for path in paths]
    return np.stack([np.asarray(image) for image in images])


def probabilities(images: np.ndarray) -> np.ndarray:
    """The RBD prior with the threshold that refinement takes, 1.5 times its mean, as an even chance."""
    priors = np.stack([rbd(image, RBD) for image in images])
    return np.interp(priors, [0, 1.5 * priors.mean(), 1], [0, 0.5, 1]).astype(np.float32)


def agreement(one: Tensor, other: Tensor) -> float:
    """The share of pixels on which two maps say the same."""
    return float(((one > 0.5) == (other > 0.5)).float().mean())
