import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.params import Crf
from pipeline.pseudolabels import grid_crf
from pipeline.pseudolabels.grid_crf import mean_field, sharpen_on_grid
from tests.pseudolabels.conftest import CRF


def plain_mean_field(image: np.ndarray, probability: np.ndarray, settings: Crf) -> np.ndarray:
    """Probability of the salient label by the textbook update, two labels, pair by pair, in float64."""
    pixels = [(row, column) for row in range(image.shape[0]) for column in range(image.shape[1])]
    scale = max(image.shape[:2]) / 432
    near, far = settings.smoothness_sigma * scale, settings.position_sigma * scale
    kernels = np.zeros((2, len(pixels), len(pixels)))
    for i, p in enumerate(pixels):
        for j, q in enumerate(pixels):
            place = (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2
            colour = ((image[p] - image[q]) ** 2).sum()
            kernels[0, i, j] = np.exp(-place / (2 * near**2))
            kernels[1, i, j] = np.exp(-place / (2 * far**2) - colour / (2 * settings.colour_sigma**2))
    weights = settings.smoothness_weight, settings.appearance_weight
    kernel = sum(w * k / np.sqrt(np.outer(k.sum(0), k.sum(0))) for w, k in zip(weights, kernels, strict=True))
    salient = probability.ravel().clip(1e-5, 1 - 1e-5)
    prior = belief = np.stack([1 - salient, salient])
    for _ in range(settings.iterations):
        energy = -np.log(prior) - np.stack([kernel @ label for label in belief])
        belief = np.exp(-energy) / np.exp(-energy).sum(0)
    return belief[1].reshape(probability.shape)


def small_problem(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 120 + 20 * rng.normal(size=(5, 6, 3)), rng.random((5, 6)).clip(0.2, 0.8)


@pytest.mark.parametrize("scale", [1, 40])
def test_mean_field_equals_the_update_pair_by_pair(scale: int):
    # At scale 40 the smoothness kernel reaches past its own pixel and its share is visible too.
    wide = {"smoothness_sigma": 3.0 * scale, "smoothness_weight": 1.0, "appearance_weight": 2.0}
    settings = CRF.model_copy(update=wide)
    image, probability = small_problem(0)
    salient = torch.from_numpy(probability).float()
    logits = salient.logit() + mean_field(as_image(image)[None], salient[None], settings)[0]
    expected = plain_mean_field(image, probability, settings)
    np.testing.assert_allclose(logits.sigmoid().numpy(), expected, atol=1e-5)
    assert np.abs(expected - probability).max() > 0.1


def as_image(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).float().permute(2, 0, 1)


def test_a_single_pixel_hears_itself_alone():
    probability, settings = torch.tensor([[[0.6]]]), CRF.model_copy(update={"iterations": 3})
    logit = expected = math.log(0.6 / 0.4)
    for _ in range(3):
        expected = logit + (3 + 10) * math.tanh(expected / 2)
    message = mean_field(torch.full((1, 3, 1, 1), 77.0), probability, settings)
    assert float(message) == pytest.approx(expected - logit, rel=1e-5)


def test_a_flat_region_sends_its_mean_belief_to_each_of_its_pixels_and_to_no_other():
    # Positions do not count, and no pixel is near to another: what is left of the kernels is colour.
    image, probability = torch.zeros(1, 3, 4, 6), torch.rand(1, 4, 6, generator=torch.Generator().manual_seed(0))
    image[..., 2:] = 255.0
    limits = {"smoothness_sigma": 1e-6, "position_sigma": 1e9, "iterations": 1}
    message = mean_field(image, probability, CRF.model_copy(update=limits))
    belief = 2 * probability - 1
    left, right = belief[..., :2], belief[..., 2:]
    expected = torch.cat([3 * left + 10 * left.mean(), 3 * right + 10 * right.mean()], dim=2)
    torch.testing.assert_close(message, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("probability", [0.2, 0.45, 0.55, 0.8])
def test_an_image_of_one_colour_keeps_the_side_of_its_probability_and_grows_surer(probability: float):
    saliency = torch.full((1, 40, 56), probability)
    sharpened = sharpen_on_grid(torch.full((1, 3, 40, 56), 128, dtype=torch.uint8), saliency, CRF)
    assert bool(((sharpened > 0.5) == (probability > 0.5)).all())
    assert bool(((sharpened - 0.5).abs() > abs(probability - 0.5)).all())


def test_without_an_update_the_saliency_stays_as_it_is():
    image, saliency = two_halves(edge=20, blurred_at=25)
    unchanged = sharpen_on_grid(image, saliency, CRF.model_copy(update={"iterations": 0}))
    torch.testing.assert_close(unchanged, saliency, atol=1e-6, rtol=0)


def test_images_of_a_batch_do_not_touch_each_other():
    images, maps = zip(*(small_problem(seed) for seed in range(3)), strict=True)
    batch = torch.stack([as_image(image) for image in images])
    probabilities = torch.from_numpy(np.stack(maps)).float()
    together = mean_field(batch, probabilities, CRF)
    alone = torch.cat([mean_field(batch[i : i + 1], probabilities[i : i + 1], CRF) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_a_blurred_border_snaps_to_the_edge_of_the_colours():
    image, saliency = two_halves(edge=20, blurred_at=25)
    assert (saliency[0] > 0.5).sum(1).tolist() == [25] * 32
    sharpened = sharpen_on_grid(image, saliency, CRF)[0]
    # A cell of the grid is 40 / 24 pixels wide and holds both colours; one pixel more and nothing is left of the blur.
    assert sharpened[:, :20].min() > 0.95
    assert sharpened[:, 21:].max() < 0.05


def two_halves(edge: int, blurred_at: int) -> tuple[Tensor, Tensor]:
    """A 32x40 image, red up to column `edge` and blue after it; saliency falls softly and crosses 0.5 elsewhere."""
    image = torch.zeros(1, 3, 32, 40, dtype=torch.uint8)
    image[:, 0, :, :edge], image[:, 2, :, edge:] = 200, 200
    ramp = torch.sigmoid((blurred_at - 0.5 - torch.arange(40)) / 6)
    return image, ramp.expand(1, 32, 40).contiguous()


def test_exchanging_the_labels_exchanges_the_result():
    image, saliency = two_halves(edge=12, blurred_at=22)
    turned = sharpen_on_grid(image, 1 - saliency, CRF)
    torch.testing.assert_close(turned, 1 - sharpen_on_grid(image, saliency, CRF), atol=1e-4, rtol=0)


def test_certain_maps_stay_finite_and_as_they_are():
    image, _ = two_halves(edge=20, blurred_at=20)
    for value in (0.0, 1.0):
        saliency = torch.full((1, 32, 40), value)
        torch.testing.assert_close(sharpen_on_grid(image, saliency, CRF), saliency)


def test_the_number_of_images_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    pairs = [two_halves(edge, edge + 4) for edge in (10, 18, 26)]
    images, maps = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    together = sharpen_on_grid(images, maps, CRF)
    monkeypatch.setattr(grid_crf, "KERNEL_ELEMENTS", 1)
    torch.testing.assert_close(sharpen_on_grid(images, maps, CRF), together, atol=1e-5, rtol=0)
