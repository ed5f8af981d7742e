"""Fixtures shared by all tests: a tiny packed set of images with one bright disc each, and a model to predict with."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.images.codecs import encode_map, encode_png
from pipeline.packed import write_packed

# Small tensors gain nothing from more, and lose a factor of a hundred where other work waits for the same cores.
torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, lest one process is left alone with them at the end; of these, those of no room."""
    slow = {item.path for item in items if "slow" in item.keywords}
    items.sort(key=lambda item: (item.path not in slow, len(item.path.parts)))


def disc(i: int, height: int = 40, width: int = 48) -> np.ndarray:
    """The mask of image i's disc."""
    rows, columns = np.mgrid[:height, :width]
    return (rows - 18 - i % 5) ** 2 + (columns - 20 - i % 7) ** 2 < 81


@pytest.fixture
def disc_images(tmp_path: Path) -> Path:
    """12 images of 40x48, a bright disc on a dark noisy ground; splits `train` (first 8) and `val` (last 4)."""
    rng = np.random.default_rng(0)
    ids = [f"img_{i:02d}" for i in range(12)]
    pixels = [
        np.where(disc(i)[..., None], (220, 60 + 10 * i, 40), (40, 50, 70)) + rng.integers(0, 20, (40, 48, 3))
        for i in range(12)
    ]
    path = tmp_path / "images.h5"
    write_packed(
        path,
        [(image_id, encode_png(image.astype(np.uint8))) for image_id, image in zip(ids, pixels, strict=True)],
        "images",
        splits={"train": ids[:8], "val": ids[8:]},
        columns={"height": [40] * 12, "width": [48] * 12},
    )
    return path


@pytest.fixture
def disc_maps(tmp_path: Path) -> Path:
    """The saliency maps that belong to `disc_images`: 0.9 on the disc and 0.1 elsewhere."""
    path = tmp_path / "maps.h5"
    write_packed(
        path, [(f"img_{i:02d}", encode_map(np.where(disc(i), 0.9, 0.1).astype(np.float32))) for i in range(12)], "maps"
    )
    return path


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photographs and a model that has learned on them (`predicted_photos.learn`)."""
    from tests.predicted_photos import learn  # which takes seconds to import

    return learn(tmp_path_factory.mktemp("learned"))
