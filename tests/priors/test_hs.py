import numpy as np
import pytest

from pipeline.params import Hs
from pipeline.priors.hs import agreed, hs, layer_cue, local_contrast, parents
from pipeline.priors.superpixels import pixel_grid

SETTINGS = Hs(regions=[3, 17, 33], confidence=[0.5, 4.0, 2.0], consistency=16.0, centre=9.0)


def test_a_region_has_the_parent_it_lies_in() -> None:
    layers = [np.array([[0, 1, 2, 3]]), np.array([[0, 0, 1, 1]]), np.array([[0, 0, 0, 0]])]
    assert [parent.tolist() for parent in parents(layers)] == [[0, 0, 1, 1], [0, 0]]


def test_two_layers_meet_where_the_energy_is_least() -> None:
    # s^2 + 2 (t - 1)^2 + (s - t)^2 is least at s = 0.4, t = 0.8.
    fine, coarse = agreed([np.array([0.0]), np.array([1.0])], [np.array([0])], [1.0, 2.0], 1.0)
    np.testing.assert_allclose([fine[0], coarse[0]], [0.4, 0.8])


def test_agreement_is_the_least_squares_solution_on_a_tree() -> None:
    rng = np.random.default_rng(0)
    cues = [rng.random(6), rng.random(3), rng.random(1)]
    parent = [np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0])]
    rows, values = [], []
    for i, (weight, cue) in enumerate(zip(np.repeat([0.5, 4, 2], [6, 3, 1]), np.concatenate(cues), strict=True)):
        rows.append(np.sqrt(weight) * np.eye(10)[i])
        values.append(np.sqrt(weight) * cue)
    for child, above in [*enumerate(parent[0] + 6), *enumerate(parent[1] + 9, start=6)]:
        rows.append(4.0 * (np.eye(10)[child] - np.eye(10)[above]))
        values.append(0.0)
    expected, *_ = np.linalg.lstsq(np.array(rows), np.array(values))
    found = agreed(cues, parent, [0.5, 4.0, 2.0], consistency=16.0)
    np.testing.assert_allclose(np.concatenate(found), expected)


def test_one_layer_keeps_its_cue() -> None:
    (only,) = agreed([np.array([0.2, 0.9])], [], [0.5], 16.0)
    np.testing.assert_allclose(only, [0.2, 0.9])


def test_of_three_regions_the_odd_one_near_the_centre_is_most_salient() -> None:
    labels = np.zeros((20, 20), dtype=np.int64)
    labels[8:12, 8:12] = 1
    labels[:4, :4] = 2
    lab = np.array([[50.0, 0, 0], [60, 40, 0], [60, 40, 0]])[labels]
    ground, centre, corner = layer_cue(labels, lab, pixel_grid(20, 20), reach=1.0, centre=9.0)
    assert (ground, centre) == (0, 1)
    assert 0 < corner < 0.1


def test_contrast_is_weighted_by_area_and_distance() -> None:
    labels = np.array([[0, 1, 1, 1]])
    lab = np.array([[10.0, 0, 0], [30, 0, 0]])[labels]
    # Without the centre's weight: the single pixel sees 3 pixels at a contrast of 20, these see 1; scaled, 1 and 0.
    np.testing.assert_allclose(layer_cue(labels, lab, pixel_grid(1, 4), reach=1.0, centre=0.0), [1, 0])


def test_contrast_is_the_sum_over_all_regions() -> None:
    rng = np.random.default_rng(0)
    colours, positions, area = 100 * rng.random((150, 3)), rng.random((150, 2)), rng.integers(1, 50, 150)
    others = colours, positions, area
    expected = [
        sum(n * np.linalg.norm(c - d) * np.exp(-((p - q) ** 2).sum() / 0.1) for d, q, n in zip(*others, strict=True))
        for c, p in zip(colours, positions, strict=True)
    ]
    np.testing.assert_allclose(local_contrast(colours, positions, area, 0.1), expected, rtol=1e-4)


def test_a_bright_object_in_the_middle_is_salient() -> None:
    image = np.full((60, 80, 3), 120, dtype=np.uint8)
    image += np.random.default_rng(0).integers(0, 16, image.shape, dtype=np.uint8)
    image[20:40, 30:50] = (200, 40, 40)
    saliency = hs(image, SETTINGS)
    assert saliency.dtype == np.float32
    assert saliency[22:38, 32:48].mean() > 0.9
    saliency[18:42, 28:52] = 0
    assert saliency.mean() < 0.1


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 50, 3), (40, 30, 3)])
def test_an_image_without_any_contrast_has_an_empty_map(shape: tuple[int, int, int]) -> None:
    saliency = hs(np.full(shape, 90, dtype=np.uint8), SETTINGS)
    assert saliency.shape == shape[:2]
    assert not saliency.any()
