import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.images.codecs import encode_map, encode_png
from pipeline.mask_store import MaskStore
from pipeline.packed import write_packed
from stages.extract_masks import main
from tests.conftest import disc


@pytest.fixture
def saliency(disc_images: Path) -> Path:
    """The folder of the maps of `disc_images`: faint on image 1, a single pixel on image 4."""
    maps = [np.where(disc(i), 0.4 if i == 1 else 0.9, 0.1) for i in range(12)]
    maps[4] = np.full((40, 48), 0.1)
    maps[4][20, 20] = 0.9
    entries = [(f"img_{i:02d}", encode_map(saliency)) for i, saliency in enumerate(maps)]
    folder = disc_images.with_name("saliency")
    write_packed(folder / "images.h5", entries, "maps", metadata={"estimator": "basnet"})
    return folder


@pytest.fixture
def benchmark(saliency: Path) -> Path:
    """A set of one black image, whose map in `saliency` is black too."""
    black = np.zeros((8, 8, 3), dtype=np.uint8)
    path = saliency.with_name("benchmark.h5")
    write_packed(path, [("black", encode_png(black))], "images", columns={"height": [8], "width": [8]})
    write_packed(saliency / "benchmark.h5", [("black", encode_map(np.zeros((8, 8))))], "maps")
    return path


def test_masks_and_the_list_of_rejected_images_are_written(
    disc_images: Path, benchmark: Path, saliency: Path, tmp_path: Path
) -> None:
    others = tmp_path / "others.h5"
    main(disc_images, benchmark, saliency, tmp_path / "masks.h5", others, tmp_path / "results")
    assert (MaskStore(others).ids, MaskStore(others).rejected.tolist()) == (["black"], [True])
    store = MaskStore(tmp_path / "masks.h5")
    assert np.array_equal(store[0], disc(0)) and store.metadata["estimator"] == "basnet"
    assert (tmp_path / "results" / "rejected.csv").read_text().splitlines() == [
        "id,reason,area",
        "img_01,empty,0",
        "img_04,small,0.000520833",
    ]
    summary = json.loads((tmp_path / "results" / "summary.json").read_text())
    kept = [disc(i).mean() for i in range(12) if i not in (1, 4)]
    assert summary == {"images": 12, "rejected": 2, "mean_area": pytest.approx(np.mean(kept))}
    assert len((tmp_path / "results" / "areas.csv").read_text().splitlines()) == 21


def test_a_set_without_any_mask_is_listed_in_full(
    disc_images: Path, benchmark: Path, saliency: Path, tmp_path: Path
) -> None:
    blank = [(f"img_{i:02d}", encode_map(np.zeros((40, 48)))) for i in range(12)]
    write_packed(saliency / "images.h5", blank, "maps")
    main(disc_images, benchmark, saliency, tmp_path / "masks.h5", tmp_path / "others.h5", tmp_path / "results")
    assert json.loads((tmp_path / "results" / "summary.json").read_text())["mean_area"] == 0
    assert len((tmp_path / "results" / "rejected.csv").read_text().splitlines()) == 13
