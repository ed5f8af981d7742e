from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from pipeline.images.views import View, cut_view, draw_crops, on_device
from tests.images.augmentation import MOCO, jitter, views

SETTINGS = views(jitter())


def photo(height: int = 60, width: int = 80) -> np.ndarray:
    """Colours that change smoothly, so that resizing hardly changes them."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 4, columns * 3, 200 - rows - columns], axis=-1).astype(np.uint8)


def centre_mask(height: int = 60, width: int = 80) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    mask[15:45, 20:60] = True
    return mask


def drawn(seed: int = 0, image: np.ndarray | None = None, **changes: Any) -> list[View]:
    settings, rng = SETTINGS.model_copy(update=changes), np.random.default_rng(seed)
    crops = draw_crops(centre_mask(), settings, rng)
    assert crops is not None
    return [cut_view(photo() if image is None else image, crop, settings, rng) for crop in crops]


def finished(view: View, **changes: Any) -> tuple[Tensor, Tensor]:
    return on_device(default_collate([view]), SETTINGS.model_copy(update=changes), torch.device("cpu"))


@pytest.mark.parametrize("transforms", ["fast", "exact"])
def test_image_and_mask_go_through_the_same_geometry(transforms: str):
    white_object = np.where(centre_mask()[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    for seed in range(10):
        for view in drawn(seed, white_object, transforms=transforms, moco=jitter(flip_probability=0.5)):
            assert ((view.image[..., 0] > 127) == view.mask).float().mean() > 0.97


def test_flip_mirrors_image_and_mask():
    straight, mirrored = drawn(moco=jitter(flip_probability=0.0)), drawn(moco=jitter(flip_probability=1.0))
    for before, after in zip(straight, mirrored, strict=True):
        assert after.image.equal(before.image.flip(1)) and after.mask.equal(before.mask.flip(1))


def test_query_and_key_are_drawn_independently():
    query, key = drawn(moco=MOCO)
    assert not query.image.equal(key.image) and not query.mask.equal(key.mask)
    assert not query.colours.amounts.equal(key.colours.amounts)


def test_same_generator_gives_the_same_views():
    for first, second in zip(drawn(3, moco=MOCO), drawn(3, moco=MOCO), strict=True):
        assert all(a.equal(b) for a, b in zip((*first[:2], *first[2]), (*second[:2], *second[2]), strict=True))


def test_the_preset_named_is_the_one_that_counts():
    grey: dict[str, Any] = {"moco": jitter(), "simclr": jitter(grey_probability=1.0)}
    for augmentation, colourful in (("moco", True), ("simclr", False)):
        image, _ = finished(drawn(augmentation=augmentation, **grey)[0])
        assert (image.std(dim=1).max() > 0.1) == colourful


@pytest.mark.parametrize("transforms", ["fast", "exact"])
def test_finished_views_lie_in_0_to_1_and_masks_stay(transforms: str):
    query, _ = drawn(moco=MOCO, transforms=transforms)
    image, mask = finished(query, transforms=transforms)
    assert image.dtype == torch.float32 and 0 <= image.min() < image.max() <= 1
    assert mask.equal(query.mask[None])


def test_views_without_colour_change_are_their_bytes():
    for transforms in ("fast", "exact"):
        query, _ = drawn(transforms=transforms)
        image, _ = finished(query, transforms=transforms)
        assert (image[0] * 255).round().byte().permute(1, 2, 0).equal(query.image)


def test_fast_views_are_near_the_exact_ones():
    for seed in range(10):
        fast, exact = (
            finished(drawn(seed, moco=MOCO, transforms=how)[0], transforms=how)[0] for how in ("fast", "exact")
        )
        assert (fast - exact).abs().mean() * 255 < 4


def test_foreground_of_both_views_is_between_the_bounds():
    for seed in range(60):
        for view in drawn(seed, min_foreground=0.3, max_foreground=0.5, max_tries=1000):
            assert 0.3 < view.mask.float().mean() <= 0.5


@pytest.mark.parametrize("filled, upper, accepted", [(False, 1.0, False), (True, 0.99, False), (True, 1.0, True)])
def test_an_upper_bound_of_1_is_none_and_an_empty_mask_never_fits(filled: bool, upper: float, accepted: bool):
    mask = np.full((60, 80), filled)
    settings = SETTINGS.model_copy(update={"min_foreground": 0.0, "max_foreground": upper})
    assert (draw_crops(mask, settings, np.random.default_rng(0)) is not None) == accepted


def test_thin_mask_gives_no_views():
    mask = np.zeros((60, 80), dtype=bool)
    mask[:, 40] = True
    assert draw_crops(mask, SETTINGS, np.random.default_rng(0)) is None
