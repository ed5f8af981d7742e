import colorsys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from pipeline.images import compiled_photometry, exact_photometry, photometry
from pipeline.images.colours import OPERATIONS, Colours, draw_colours
from pipeline.params import Jitter
from tests.images.augmentation import MOCO, SIMCLR

Coloured = Callable[[Tensor, Colours], Tensor]


def photographs(size: int = 96) -> Tensor:
    images = [Image.fromarray(source()).resize((size, size)) for source in (data.astronaut, data.chelsea, data.coffee)]
    return torch.from_numpy(np.stack([np.array(image) for image in images])).permute(0, 3, 1, 2)


@pytest.fixture(params=[photometry, compiled_photometry], ids=["arrays", "compiled"])
def coloured(request: pytest.FixtureRequest) -> Coloured:
    """Both ways to change colours fast."""
    return request.param.coloured


def only(name: str, *amounts: float) -> Colours:
    """One operation, an amount for each image."""
    operations = torch.zeros((len(amounts), 6), dtype=torch.int64)
    operations[:, 0] = OPERATIONS.index(name)
    return Colours(operations, torch.tensor(amounts)[:, None].repeat(1, 6))


def drawn(strength: Jitter, count: int, seed: int = 0) -> Colours:
    rng = np.random.default_rng(seed)
    return Colours(*map(torch.stack, zip(*(draw_colours(strength, rng) for _ in range(count)), strict=True)))


def off(images: Tensor, colours: Colours) -> Tensor:
    """By how many of 255 levels fast and exact differ."""
    return 255 * (photometry.coloured(images, colours) - exact_photometry.coloured(images, colours)).abs()


# Pillow cuts off what is below a level; in hue it has 256 steps for the circle; its blur is three means over boxes.
@pytest.mark.parametrize(
    "name, amounts, most, mean",
    [
        ("brightness", (0.2, 0.6, 1.8), 1.0, 0.6),
        ("contrast", (0.2, 0.6, 1.8), 1.5, 0.7),
        ("saturation", (0.0, 0.6, 1.8), 1.5, 0.7),
        ("hue", (-0.1, 0.2, 0.5), 9.0, 1.0),
        ("blur", (0.2, 1.0, 2.0), 30.0, 1.0),
    ],
)
def test_each_operation_is_near_pillows(name: str, amounts: tuple[float, ...], most: float, mean: float):
    difference = off(photographs(), only(name, *amounts))
    assert difference.max() <= most and difference.mean() <= mean


@pytest.mark.parametrize("strength", [MOCO, SIMCLR], ids=["moco", "simclr"])
def test_whole_presets_are_near_pillows(strength: Jitter):
    images = photographs().repeat(20, 1, 1, 1)
    means = off(images, drawn(strength, len(images))).mean(dim=(1, 2, 3))
    assert means.max() < 5 and means.mean() < 2


@pytest.mark.parametrize("strength", [MOCO, SIMCLR], ids=["moco", "simclr"])
def test_an_image_is_coloured_the_same_alone_in_a_batch_and_by_compiled_loops(strength: Jitter):
    images = photographs(32).repeat(20, 1, 1, 1)
    colours = drawn(strength, len(images))
    alone = [
        photometry.coloured(image, Colours(*chosen))
        for image, *chosen in zip(images.split(1), *(each.split(1) for each in colours), strict=True)
    ]
    together = photometry.coloured(images, colours)
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-6)
    torch.testing.assert_close(compiled_photometry.coloured(images, colours), together, rtol=0, atol=1e-6)


def test_nothing_to_do_leaves_the_bytes(coloured: Coloured):
    images = photographs()
    for how in (coloured, exact_photometry.coloured):
        assert (how(images, only("none", 0.0, 0.0, 0.0)) * 255).round().byte().equal(images)


def test_the_bytes_given_stay_as_they_are(coloured: Coloured):
    images = photographs()
    before = images.clone()
    coloured(images, drawn(MOCO, 3))
    assert images.equal(before)


@pytest.mark.parametrize("turn", [-0.5, -0.13, 0.08, 0.3, 0.5])
def test_hue_turns_as_in_hsv_for_every_colour_of_a_cube(coloured: Coloured, turn: float):
    levels = torch.tensor([0, 1, 100, 254, 255], dtype=torch.uint8)
    cube = torch.cartesian_prod(levels, levels, levels)
    turned = coloured(cube.T.reshape(1, 3, 5, 25), only("hue", turn)).reshape(3, -1).T
    for colour, found in zip((cube / 255).tolist(), turned.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*colour)
        assert found == pytest.approx(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value), abs=2e-6)


def test_saturation_by_0_is_luma_in_all_channels(coloured: Coloured):
    colour = torch.tensor([250, 20, 130], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    grey = coloured(colour, only("saturation", 0.0))
    assert grey.flatten().tolist() == pytest.approx([(0.299 * 250 + 0.587 * 20 + 0.114 * 130) / 255] * 48, abs=1e-6)


def test_contrast_keeps_the_mean_luma_and_widens_the_rest(coloured: Coloured):
    image = torch.tensor([100, 140], dtype=torch.uint8).repeat(8).view(1, 1, 4, 4).expand(1, 3, 4, 4)
    found = 255 * coloured(image, only("contrast", 1.5))
    assert found.unique().tolist() == pytest.approx([90, 150], abs=1e-3)


def test_blur_spreads_a_point_as_a_gaussian_and_keeps_its_weight(coloured: Coloured):
    image = torch.zeros(1, 3, 21, 21, dtype=torch.uint8)
    image[..., 10, 10] = 255
    found = coloured(image, only("blur", 1.5))[0, 0]
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)
    assert float(found[10, 12] / found[10, 10]) == pytest.approx(np.exp(-(2**2) / (2 * 1.5**2)), rel=1e-4)
    assert found.T.allclose(found)


def test_blur_of_one_colour_is_that_colour_up_to_the_border(coloured: Coloured):
    image = torch.full((2, 3, 9, 9), 77, dtype=torch.uint8)
    assert (coloured(image, only("blur", 0.3, 2.0)) * 255).allclose(torch.tensor(77.0))
