from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from pipeline.predictions.outlines import polygons, run_lengths

# pycocotools 2.0 on NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def blobs(seed: int, density: float, shape: tuple[int, int] = (23, 31)) -> np.ndarray:
    coarse = np.random.default_rng(seed).random((shape[0] // 3 + 1, shape[1] // 3 + 1)) < density
    return np.kron(coarse, np.ones((3, 3), dtype=bool))[: shape[0], : shape[1]].astype(bool)


def decoded(outlines: list[list[int]], shape: tuple[int, ...]) -> np.ndarray:
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(outlines, *shape))).astype(bool)


@pytest.mark.parametrize("seed", range(20))
def test_run_lengths_give_the_mask_again(seed: int) -> None:
    mask = blobs(seed, 0.4)
    uncompressed: Any = {"size": list(mask.shape), "counts": run_lengths(mask)}
    rle = coco_mask.frPyObjects(uncompressed, *mask.shape)
    assert (coco_mask.decode(rle).astype(bool) == mask).all()


def test_run_lengths_begin_with_background_and_go_down_columns() -> None:
    mask = np.array([[True, False], [True, True]])
    assert run_lengths(mask) == [0, 2, 1, 1]
    assert run_lengths(np.zeros((2, 3), dtype=bool)) == [6]


def test_polygons_give_the_mask_again_unless_it_has_a_hole() -> None:
    exact = 0
    for seed in range(60):
        mask = blobs(seed, 0.25)
        outlines = polygons(mask)
        if outlines is not None:
            assert (decoded(outlines, mask.shape) == mask).all(), seed
            exact += 1
    assert exact > 20


def test_a_square_has_four_corners_and_a_second_part_its_own() -> None:
    mask = np.zeros((6, 8), dtype=bool)
    mask[1:4, 2:6] = True
    found = polygons(mask)
    assert found is not None
    assert sorted(zip(found[0][::2], found[0][1::2], strict=True)) == [(2, 1), (2, 4), (6, 1), (6, 4)]
    mask[4, 6] = True  # touches at a corner alone
    assert len(polygons(mask) or []) == 2


def test_a_hole_cannot_be_said() -> None:
    ring = np.ones((5, 5), dtype=bool)
    ring[2, 2] = False
    assert polygons(ring) is None
