from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.images.codecs import encode_png
from pipeline.packed import write_packed
from pipeline.params import Scale
from pipeline.priors import compute
from pipeline.priors.compute import compute_prior, named_prior, prior_maps, reduce_to
from pipeline.runtime import process_pool
from tests.profiles import SAMPLE, changed

SETTINGS = changed(
    SAMPLE.compute_priors,
    max_side=64,
    rbd=changed(SAMPLE.compute_priors.rbd, superpixels=100),
    mc=changed(SAMPLE.compute_priors.mc, superpixels=120),
    dsr=changed(SAMPLE.compute_priors.dsr, scales=[Scale(superpixels=100, compactness=20.0)]),
    hs=changed(SAMPLE.compute_priors.hs, consistency=16.0),
)


def scene(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A red square of a third of the side in the middle of a noisy grey ground, and its mask."""
    mask = np.zeros((height, width), dtype=bool)
    mask[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = True
    ground = 110 + np.random.default_rng(0).integers(0, 16, (height, width, 3))
    return np.where(mask[..., None], (200, 40, 40), ground).astype(np.uint8), mask


@pytest.mark.parametrize("name", ["rbd", "dsr", "mc", "hs"])
def test_the_map_has_the_size_of_the_image_whatever_it_was_computed_at(name: str) -> None:
    image, mask = scene(150, 211)
    saliency = compute_prior(image, name, SETTINGS)
    assert saliency.shape == (150, 211)
    assert saliency[mask].mean() > 0.8
    assert saliency[~mask].mean() < 0.1


def test_the_longest_side_is_reduced_and_the_aspect_kept() -> None:
    assert reduce_to(np.zeros((300, 100, 3), dtype=np.uint8), 150).shape == (150, 50, 3)


def test_an_image_is_never_enlarged_or_reduced_to_nothing() -> None:
    assert reduce_to(np.zeros((20, 30, 3), dtype=np.uint8), 64).shape == (20, 30, 3)
    assert reduce_to(np.zeros((3, 2000, 3), dtype=np.uint8), 64).shape == (1, 64, 3)


@pytest.mark.parametrize("name", ["rbd", "dsr", "mc", "hs"])
def test_a_frame_is_zero_and_does_not_hide_the_object(name: str) -> None:
    image, mask = scene(60, 64)
    image[:4] = image[-4:] = image[:, :4] = image[:, -4:] = 255
    saliency = compute_prior(image, name, SETTINGS)
    assert not saliency[:4].any()
    assert saliency[mask].mean() > 0.8


def test_a_prior_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InputError, match="no prior 'rdb'; the priors are rbd, dsr, mc, hs"):
        named_prior("rdb", SETTINGS)


def test_an_error_in_a_process_of_the_pool_says_at_which_image(tmp_path: Path) -> None:
    path = tmp_path / "images.h5"
    entries = [("a", encode_png(np.zeros((8, 8, 3), np.uint8))), ("b", b"no image"), ("c", b"no image")]
    write_packed(path, entries, "images")
    with process_pool(compute.__name__) as pool, pytest.raises(OSError) as caught:
        list(prior_maps(path, "rbd", SETTINGS, pool)[1])
    assert caught.value.__notes__ == [f"This was rbd of image b in {path}."]
