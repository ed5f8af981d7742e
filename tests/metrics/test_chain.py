from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.images.codecs import encode_map, encode_png
from pipeline.mask_store import write_masks
from pipeline.metrics.chain import COMPARED, Source, binary_maps, gains, mean_maps, score_steps, stored_maps
from pipeline.packed import Packed, write_packed
from tests.conftest import disc

IDS = ["a", "b", "c"]


@pytest.fixture
def truth(tmp_path: Path) -> Packed:
    entries = [(image_id, encode_png(disc(i).astype(np.uint8))) for i, image_id in enumerate(IDS)]
    write_packed(tmp_path / "labels.h5", entries, "labels")
    return Packed(tmp_path / "labels.h5", "labels")


def flat(level: float) -> Source:
    return lambda _: np.full((40, 48), level, dtype=np.float32)


def exact(image_id: str) -> np.ndarray:
    return disc(IDS.index(image_id)).astype(np.float32)


def test_stored_maps_are_found_by_id_and_averaged(tmp_path: Path) -> None:
    entries = [(image_id, encode_map(np.full((4, 6), i / 5, dtype=np.float32))) for i, image_id in enumerate(IDS)]
    write_packed(tmp_path / "maps.h5", entries, "maps")
    stored = stored_maps(tmp_path / "maps.h5")
    assert stored("c") == pytest.approx(np.full((4, 6), 0.4))
    assert mean_maps([stored, lambda _: np.ones((4, 6), dtype=np.float32)])("b") == pytest.approx(np.full((4, 6), 0.6))


def test_masks_are_maps_of_0_and_1_and_a_rejected_one_is_empty(tmp_path: Path) -> None:
    masks = [disc(0), np.zeros((40, 48), dtype=bool)]
    write_masks(tmp_path / "masks.h5", ["a", "b"], np.array([[40, 48]] * 2), masks)
    maps = binary_maps(tmp_path / "masks.h5")
    assert maps("a").tolist() == disc(0).tolist()
    assert not maps("b").any()


def test_sources_are_scored_by_name_on_the_images_with_ground_truth(truth: Packed) -> None:
    steps = [{"white": flat(1), "black": flat(0)}, {"exact": exact}]
    scores, images = score_steps(steps, truth, ["c", "a", "unlabelled"], 0.3)
    assert list(scores) == ["white", "black", "exact"]
    assert [scores[name]["images"] for name in scores] == [2, 2, 2]
    assert (scores["exact"]["mae"], scores["exact"]["max_f"]) == (0, 1)
    assert scores["white"]["iou_at_half"] == pytest.approx(np.mean([disc(0).mean(), disc(2).mean()]))
    assert [(row.source, row.image) for row in images] == [(name, i) for i in ("a", "c") for name in scores]
    assert images[0].scores["mae"] == pytest.approx(1 - disc(0).mean())


def test_every_source_is_compared_with_each_of_the_step_before(truth: Packed) -> None:
    steps = [{"white": flat(1), "black": flat(0)}, {"grey": flat(0.4)}, {"exact": exact}]
    _, images = score_steps(steps, truth, IDS, 0.3)
    found = list(gains(steps, images, seed=0, draws=20))
    pairs = [("grey", "white"), ("grey", "black"), ("exact", "grey")]
    assert [gain[:3] for gain in found] == [(*pair, score) for pair in pairs for score in COMPARED]
    # Every image gains the same in IoU: from 0 to 1.
    assert found[-1][2:] == ("iou_at_half", 1, 1, 1)
    share = np.mean([disc(i).mean() for i in range(3)])
    assert found[0].difference == pytest.approx(0.4 + 0.2 * share - (1 - share))


def test_without_images_nothing_is_compared(truth: Packed) -> None:
    steps = [{"white": flat(1)}, {"exact": exact}]
    scores, images = score_steps(steps, truth, [], 0.3)
    assert scores == {"white": {"images": 0}, "exact": {"images": 0}}
    assert list(gains(steps, images, seed=0, draws=20)) == []


def test_a_map_of_another_size_is_refused_with_its_source_and_image(truth: Packed) -> None:
    with pytest.raises(InputError, match=r"the small map of b has size \(2, 2\) .*labels.h5 \(40, 48\); pack"):
        score_steps([{"small": lambda _: np.zeros((2, 2), dtype=np.float32)}], truth, ["b"], 0.3)


def test_ground_truth_that_ignores_everything_is_refused(tmp_path: Path) -> None:
    write_packed(tmp_path / "labels.h5", [("a", encode_png(np.full((40, 48), 255, dtype=np.uint8)))], "labels")
    with pytest.raises(InputError, match=r"labels.h5 ignores every pixel \(255\) of a; take"):
        score_steps([{"exact": exact}], Packed(tmp_path / "labels.h5", "labels"), ["a"], 0.3)
