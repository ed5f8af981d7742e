from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cluster_names import named
from pipeline.report.page import predicted
from pipeline.report.page.predicted import Found, Predicted, cluster_sheet, cut_out, sample, save_predicted_page

USED = [("model", "predictor.pt")]
BOX = (0.25, 0.25, 0.75, 0.75)


def overlays(folder: Path, count: int, side: int = 64) -> dict[str, Path]:
    """Pictures of noise, of which none is small as a file."""
    rng = np.random.default_rng(0)
    paths = {f"street/{i:03d}.jpg": folder / f"{i}.jpg" for i in range(count)}
    for path in paths.values():
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path, quality=90)
    return paths


def objects(names: Sequence[str], count: int, clusters: int) -> list[Found]:
    """Objects in turn of all clusters and images, each less confident than the one before."""
    return [Found(names[i % len(names)], 1 + i % clusters, 1 - i / count, 0.1, BOX) for i in range(count)]


def shown(folder: Path, count: int, clusters: int) -> Predicted:
    pictures = overlays(folder, 4)
    return Predicted(USED, named({1: "owl"}, clusters + 1), pictures, objects(list(pictures), count, clusters), [])


def test_a_card_has_the_most_confident_objects_and_of_the_others_the_least(tmp_path: Path) -> None:
    first, second = cluster_sheet(shown(tmp_path, 41, 2)).cards
    assert first[:2] == ("cluster 1: owl", "21 objects") and second[:2] == ("cluster 2", "20 objects")
    (most, best), (least, worst) = first[2]
    assert (most, least) == ("most confident", "least confident")
    assert [tile.text for tile in (best[0], best[-1], worst[0], worst[-1])] == ["1.00", "0.56", "0.02", "0.22"]
    assert (len(best), len(worst), best[0].hint) == (10, 5, "street/000.jpg")


def test_many_clusters_share_the_room_for_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predicted, "TILES", 32)
    cards = cluster_sheet(shown(tmp_path, 100, 10)).cards
    assert [[len(tiles) for _, tiles in groups] for _, _, groups in cards] == [[2, 1]] * 10


@pytest.mark.parametrize(
    ("box", "shape"),
    [((0.25, 0.25, 0.5, 0.75), (66, 66)), ((0.5, 0.5, 0.5, 0.5), (24, 24)), ((0.0, 0.0, 1.0, 1.0), (100, 200))],
)
def test_an_object_is_cut_out_in_a_square_as_far_as_the_overlay_reaches(
    tmp_path: Path, box: tuple[float, float, float, float], shape: tuple[int, int]
) -> None:
    Image.fromarray(np.zeros((100, 200, 3), dtype=np.uint8)).save(tmp_path / "a.jpg")
    assert cut_out(tmp_path / "a.jpg", box).shape == (*shape, 3)


def test_a_sample_is_the_same_again_and_in_order() -> None:
    names = [f"{i:03d}" for i in range(500)]
    assert sample(names, 20) == sample(names, 20) == sorted(sample(names, 20))
    assert sample(names, 500) == names


def test_a_page_of_many_images_stays_small_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    pictures = overlays(tmp_path, 130, side=256)
    found = objects(list(pictures), 2000, 254)
    skipped = [(f"{i}.jpg", "is truncated") for i in range(5000)]
    save_predicted_page(tmp_path / "report.html", Predicted(USED, named({}, 255), pictures, found, skipped))
    page = (tmp_path / "report.html").read_text()
    assert len(page) < 15e6
    assert page.count("<img src=") == 254 * 3 + 120
    assert "120 of the 130 images, drawn with seed 0, with their paths." in page
    assert "Skipped images, the first of 5,000 <small>200</small>" in page


def test_where_nothing_stands_out_there_is_the_gallery_alone(tmp_path: Path) -> None:
    save_predicted_page(tmp_path / "a.html", Predicted(USED, named({}, 3), overlays(tmp_path, 2), [], []))
    page = (tmp_path / "a.html").read_text()
    assert "0 objects in 2 images." in page and "nothing stands out" in page
    assert "<h3>" not in page and "plotly.js" not in page
