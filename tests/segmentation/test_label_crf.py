import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType

import numpy as np
import pytest
import torch

from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.networks.upsampling import upsample
from pipeline.segmentation import label_crf
from pipeline.segmentation.label_batches import LabelledSquares
from pipeline.segmentation.label_crf import original_size, refine_labels, require_backend, score_after_crf
from tests.profiles import SAMPLE, changed

OFF = SAMPLE.probe_linear.crf
CRF = changed(OFF, backend="pydensecrf")


class FakeCrf:
    """Stands in for pydensecrf's model: notes what it is given, and its inference is the softmax it was given."""

    made: list["FakeCrf"]

    def __init__(self, width: int, height: int, classes: int) -> None:
        self.size, self.calls = (width, height, classes), {}
        FakeCrf.made.append(self)

    def setUnaryEnergy(self, energy: np.ndarray) -> None:
        """Refuses what pydensecrf would."""
        assert energy.dtype == np.float32 and energy.flags.c_contiguous
        assert energy.shape == (self.size[2], self.size[0] * self.size[1])
        self.energy = energy

    def addPairwiseGaussian(self, **given: object) -> None:
        """The smoothness kernel."""
        self.calls["gaussian"] = given

    def addPairwiseBilateral(self, rgbim: np.ndarray, **given: object) -> None:
        """The appearance kernel."""
        assert rgbim.dtype == np.uint8 and rgbim.flags.c_contiguous
        self.image, self.calls["bilateral"] = rgbim, given

    def inference(self, iterations: int) -> np.ndarray:
        """Class probabilities [c, n]."""
        self.calls["iterations"] = iterations
        return np.exp(-self.energy)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[FakeCrf]:
    """The models that are made meanwhile; processes become threads, which see the stand-in too."""
    FakeCrf.made = []
    package, module = ModuleType("pydensecrf"), ModuleType("pydensecrf.densecrf")
    module.DenseCRF2D = FakeCrf  # type: ignore[attr-defined]
    package.densecrf = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pydensecrf", package)
    monkeypatch.setitem(sys.modules, "pydensecrf.densecrf", module)

    @contextmanager
    def threads(_: str) -> Iterator[Executor]:
        with ThreadPoolExecutor(2) as pool:
            yield pool

    monkeypatch.setattr(label_crf, "process_pool", threads)
    return FakeCrf.made


def test_the_published_constants_and_the_image_reach_the_crf(fake: list[FakeCrf]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)[:, ::-1]
    refine_labels(image, np.zeros((5, 2, 2), dtype=np.float32), 16, CRF)
    (made,) = fake
    assert made.size == (9, 6, 5)
    assert np.array_equal(made.image, image)
    assert made.calls == {
        "gaussian": {"sxy": 1, "compat": 3},
        "bilateral": {"sxy": 67, "srgb": 3, "compat": 4},
        "iterations": 10,
    }


@pytest.mark.usefixtures("fake")
def test_labels_are_the_most_probable_classes_at_the_original_size() -> None:
    logits = torch.randn(4, 3, 3)
    expected = upsample(upsample(logits[None], (12, 12)), (10, 7))[0].argmax(0)
    found = refine_labels(np.zeros((10, 7, 3), dtype=np.uint8), logits.numpy(), 12, CRF)
    assert found.dtype == np.uint8
    assert found.tolist() == expected.tolist()


def test_energies_are_those_of_the_softmax_and_bounded(fake: list[FakeCrf]) -> None:
    logits = np.array([0.0, 1.0, -1000.0], dtype=np.float32)[:, None, None].repeat(2, 1).repeat(2, 2)
    refine_labels(np.zeros((4, 4, 3), dtype=np.uint8), logits, 8, CRF)
    one, two = 1 / (1 + np.e), np.e / (1 + np.e)
    assert fake[0].energy[:, 5] == pytest.approx(-np.log([one, two, 1e-5]), rel=1e-5)


def test_logits_go_by_the_square_to_the_original_size() -> None:
    logits = torch.randn(3, 4, 4, dtype=torch.float64)
    expected = upsample(upsample(logits[None], (32, 32)), (20, 27))[0]
    torch.testing.assert_close(original_size(logits, 32, 20, 27), expected)


def test_every_image_is_scored_with_its_own_label_map(coloured: tuple[ImageSet, LabelSet], fake: list[FakeCrf]) -> None:
    images, labels = coloured
    squares = LabelledSquares(images, labels, np.array([6, 7, 5]), 32)
    always_red = torch.tensor([0.0, 1.0, 0.0])[:, None, None].expand(3, 4, 4)
    # Batches of two and of one.
    counts = score_after_crf([torch.stack([always_red] * 2), always_red[None]], squares, CRF).counts
    truth = np.concatenate([labels.labels(i).ravel() for i in (5, 6, 7)])
    assert counts.tolist() == [[0] * 3, np.bincount(truth, minlength=256)[:3].tolist(), [0] * 3]
    assert sorted(made.image.tobytes() for made in fake) == sorted(images.rgb(i).tobytes() for i in (5, 6, 7))


def test_a_crf_that_is_not_installed_is_refused_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("pydensecrf", "pydensecrf.densecrf"):
        monkeypatch.setitem(sys.modules, name, None)
    require_backend(OFF)
    with pytest.raises(InputError, match=r"not installed; install it by `.*uv pip install .* --extra crf`"):
        require_backend(CRF)


def test_a_border_of_labels_moves_to_the_border_of_colours() -> None:
    pytest.importorskip("pydensecrf", reason="the extra `crf` is not installed")
    image = np.zeros((24, 36, 3), dtype=np.uint8)
    image[:, 16:] = 200
    logits = np.zeros((3, 24, 36), dtype=np.float32)
    logits[1, :, :12], logits[2, :, 12:] = 1.5, 1.5
    found = refine_labels(image, logits, 36, changed(CRF, smoothness_weight=1.0))
    assert found.tolist() == np.where(image[..., 0] > 0, 2, 1).tolist()
