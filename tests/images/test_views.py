from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import functional

from pipeline.images import views
from pipeline.images.views import Box, View, draw_box, draw_views
from pipeline.params import Jitter, Views

STILL = Jitter(
    brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0, probability=1.0, grey_probability=0.0, flip_probability=0.0
)
SETTINGS = Views(size=32, min_scale=0.2, min_foreground=0.05, max_foreground=0.9, max_tries=20, jitter=STILL)


def photo(height: int = 60, width: int = 80) -> np.ndarray:
    """Colours that change smoothly, so that resizing hardly changes them."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 4, columns * 3, 200 - rows - columns], axis=-1).astype(np.uint8)


def centre_mask(height: int = 60, width: int = 80) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    mask[15:45, 20:60] = True
    return mask


def drawn(seed: int = 0, image: np.ndarray | None = None, **changes: object) -> tuple[View, View]:
    settings = SETTINGS.model_copy(update=changes)
    found = draw_views(photo() if image is None else image, centre_mask(), settings, np.random.default_rng(seed))
    assert found is not None
    return found


def cropped(pixels: np.ndarray, box: Box, size: int, how: str) -> np.ndarray:
    """The crop as torchvision makes it."""
    image: Any = Image.fromarray(pixels)
    return np.asarray(functional.resized_crop(image, *box, [size, size], functional.InterpolationMode(how)))


def still(**changes: float) -> Jitter:
    return STILL.model_copy(update=changes)


@pytest.mark.parametrize("size", [32, 45])
def test_view_without_colour_change_is_torchvisions_resized_crop(monkeypatch: pytest.MonkeyPatch, size: int):
    box = Box(7, 11, 41, 53)
    monkeypatch.setattr(views, "draw_box", lambda *_: box)
    query, _ = drawn(size=size)
    assert np.array_equal((query.image.permute(1, 2, 0) * 255).round(), cropped(photo(), box, size, "bilinear"))
    assert np.array_equal(query.mask, cropped(centre_mask(), box, size, "nearest"))


def test_image_and_mask_go_through_the_same_geometry():
    white_object = np.where(centre_mask()[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    for seed in range(10):
        for view in drawn(seed, white_object, jitter=still(flip_probability=0.5)):
            assert ((view.image[0] > 0.5) == view.mask).float().mean() > 0.97


def test_flip_mirrors_image_and_mask():
    straight, mirrored = drawn(jitter=still(flip_probability=0.0)), drawn(jitter=still(flip_probability=1.0))
    for before, after in zip(straight, mirrored, strict=True):
        assert after.image.equal(before.image.flip(2)) and after.mask.equal(before.mask.flip(1))


def test_query_and_key_are_drawn_independently():
    query, key = drawn()
    assert not query.image.equal(key.image) and not query.mask.equal(key.mask)


def test_same_generator_gives_the_same_views():
    jitter = still(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, grey_probability=0.2, flip_probability=0.5)
    first, second = drawn(3, jitter=jitter), drawn(3, jitter=jitter)
    assert all(a.image.equal(b.image) and a.mask.equal(b.mask) for a, b in zip(first, second, strict=True))


def test_grey_view_keeps_three_equal_channels():
    query, _ = drawn(jitter=still(grey_probability=1.0))
    assert query.image[0].equal(query.image[1]) and query.image[0].equal(query.image[2])
    assert query.image.std() > 0.05


def test_brightness_scales_by_one_plus_or_minus_its_strength():
    grey = np.full((60, 80, 3), 100, dtype=np.uint8)
    levels = [drawn(seed, grey, jitter=still(brightness=0.4))[0].image[0, 0, 0].item() * 255 for seed in range(40)]
    assert 60 <= min(levels) < 75 and 125 < max(levels) <= 140


def test_colours_change_only_with_the_given_probability():
    jitter = still(brightness=0.4, hue=0.1, probability=0.0)
    assert drawn(jitter=jitter)[0].image.equal(drawn(jitter=STILL)[0].image)


def test_hue_turns_red_but_keeps_brightest_and_darkest_channel():
    red = np.zeros((60, 80, 3), dtype=np.uint8)
    red[..., 0] = 255
    colours = [drawn(seed, red, jitter=still(hue=0.1))[0].image[:, 5, 5] for seed in range(20)]
    assert all(colour.max() == 1 and colour.min() == 0 for colour in colours)
    assert any(colour[1] > 0.2 for colour in colours) and any(colour[2] > 0.2 for colour in colours)


def test_foreground_of_both_views_is_strictly_between_the_bounds():
    for seed in range(60):
        for view in drawn(seed, min_foreground=0.3, max_foreground=0.5, max_tries=1000):
            assert 0.3 < view.mask.float().mean() < 0.5


@pytest.mark.parametrize("filled", [False, True])
def test_bounds_of_0_and_1_still_exclude_empty_and_full_masks(filled: bool):
    mask = np.full((60, 80), filled)
    settings = SETTINGS.model_copy(update={"min_foreground": 0.0, "max_foreground": 1.0})
    assert draw_views(photo(), mask, settings, np.random.default_rng(0)) is None


def test_thin_mask_gives_no_views():
    mask = np.zeros((60, 80), dtype=bool)
    mask[:, 40] = True
    assert draw_views(photo(), mask, SETTINGS, np.random.default_rng(0)) is None


@pytest.mark.parametrize("height, width", [(60, 80), (64, 48), (1, 1), (33, 100)])
def test_boxes_lie_inside_with_area_and_aspect_in_range(height: int, width: int):
    rng = np.random.default_rng(0)
    for _ in range(300):
        box = draw_box(height, width, 0.2, rng)
        assert 0 <= box.top <= height - box.height and 0 <= box.left <= width - box.width
        if height * width > 1:  # sides are rounded to whole pixels
            assert 0.75 * 0.95 < box.width / box.height < 4 / 3 * 1.05
            assert 0.2 * 0.95 < box.height * box.width / (height * width) <= 1


def test_boxes_reach_the_smallest_and_nearly_the_largest_area():
    rng = np.random.default_rng(0)
    areas = [box.height * box.width / 4800 for box in (draw_box(60, 80, 0.2, rng) for _ in range(500))]
    assert min(areas) < 0.22 and max(areas) > 0.9


@pytest.mark.parametrize("shape, box", [((12, 400), (0, 192, 12, 16)), ((400, 12), (192, 0, 16, 12))])
def test_very_long_image_falls_back_to_its_largest_central_crop(shape: tuple[int, int], box: tuple[int, ...]):
    assert draw_box(*shape, 0.9, np.random.default_rng(0)) == box
