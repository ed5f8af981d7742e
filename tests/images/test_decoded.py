import pickle
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from pipeline.images.datasets import ImageSet
from pipeline.images.decoded import DecodedImages

BYTES = 40 * 48 * 3


@pytest.fixture
def images(disc_images: Path, monkeypatch: pytest.MonkeyPatch) -> ImageSet:
    """A set that notes in `decoded` what it decodes."""
    images = ImageSet(disc_images)
    decode, images.decoded = images.rgb, []  # type: ignore[attr-defined]

    def noted(i: int) -> np.ndarray:
        images.decoded.append(i)  # type: ignore[attr-defined]
        return decode(i)

    monkeypatch.setattr(images, "rgb", noted)
    return images


def counted(images: ImageSet) -> list[int]:
    return images.decoded  # type: ignore[attr-defined]


def test_an_image_within_the_budget_is_decoded_once_and_the_others_each_time(images: ImageSet):
    kept = DecodedImages(images, [5, 2, 7], budget=2 * BYTES + 100)
    for _ in range(3):
        for i in (5, 7, 2):
            assert np.array_equal(kept.rgb(i), ImageSet(images.path).rgb(i))
    assert sorted(counted(images)) == [2, 5, 7, 7, 7]


def test_the_memory_never_exceeds_the_budget_nor_what_is_needed(images: ImageSet):
    for budget in (0, 1, BYTES, BYTES + 1, 5 * BYTES, 10**9):
        taken = len(DecodedImages(images, range(12), budget)._memory)
        assert taken <= max(1, budget) and taken <= 12 * (BYTES + 1)
    assert len(DecodedImages(images, range(12), 10**9)._memory) == 12 * (BYTES + 1)


def test_what_a_forked_process_decodes_is_there_for_all(images: ImageSet):
    kept = DecodedImages(images, range(12), budget=10**9)
    process = get_context("fork").Process(target=kept.rgb, args=(3,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert np.array_equal(kept.rgb(3), ImageSet(images.path).rgb(3)) and counted(images) == []


def test_a_pickled_copy_decodes_for_itself(disc_images: Path):
    kept = DecodedImages(ImageSet(disc_images), range(12), budget=10**9)
    assert np.array_equal(pickle.loads(pickle.dumps(kept)).rgb(3), kept.rgb(3))
