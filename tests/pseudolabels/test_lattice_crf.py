import sys

import pytest
import torch

from pipeline.errors import InputError
from pipeline.pseudolabels.crf import sharpen
from tests.pseudolabels.conftest import CRF

LATTICE = CRF.model_copy(update={"backend": "pydensecrf"})


def test_a_backend_that_is_not_installed_is_refused_with_the_name_of_the_extra(monkeypatch: pytest.MonkeyPatch):
    for name in ("pydensecrf", "pydensecrf.densecrf"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"pydensecrf.* not installed; install the extra `crf`"):
        sharpen(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.full((1, 8, 8), 0.5), LATTICE)


def test_an_image_of_two_colours_is_cut_between_them():
    pytest.importorskip("pydensecrf", reason="the extra `crf` is not installed")
    images = torch.zeros(2, 3, 24, 36, dtype=torch.uint8)
    images[0, 0, :, :16], images[1, 2, :10] = 200, 200
    saliency = torch.full((2, 24, 36), 0.35)
    saliency[0, :, :12], saliency[1, :13] = 0.7, 0.7
    sharpened = sharpen(images, saliency, LATTICE) > 0.5
    assert torch.equal(sharpened[0], images[0, 0] > 0)
    assert torch.equal(sharpened[1], images[1, 2] > 0)
