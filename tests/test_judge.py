from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline import judge
from pipeline.cluster_store import Clustering, NamedClusterings, Projection, write_clusters
from pipeline.embedding_store import write_embeddings
from pipeline.errors import InputError
from pipeline.packed import Packed
from tests.conftest import disc


@pytest.fixture
def run(tmp_path: Path, disc_images: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which discs were embedded and clustered; in the last image nothing is salient."""
    ids = Packed(disc_images, "images").ids
    saliency = np.stack([np.where(disc(i), 255, 0).astype(np.uint8)[:, np.arange(40) * 48 // 40] for i in range(12)])
    write_embeddings(
        tmp_path / "e.h5", ids, saliency, {"maskcontrast": np.eye(12, 2, dtype=np.float32)}, 40, {"threshold": 0.5}
    )
    clustering = Clustering(np.array([*([0, 1] * 5), 1, -1], dtype=np.int32), np.eye(2, dtype=np.float32), 0.0)
    projection = Projection(np.zeros(2, dtype=np.float32), np.eye(2, dtype=np.float32))
    write_clusters(tmp_path / "c.h5", ids, {"maskcontrast": NamedClusterings(projection, {3: {7: clustering}})}, {})
    for name, file in (("IMAGES", "images.h5"), ("EMBEDDINGS", "e.h5"), ("CLUSTERS", "c.h5")):
        monkeypatch.setattr(judge, name, tmp_path / file)
    return tmp_path


def judged(clusters: list[int], kinds: list[str]) -> pd.DataFrame:
    rows = [(number, f"img_{number}", *pair) for number, pair in enumerate(zip(clusters, kinds, strict=True), 1)]
    return pd.DataFrame(rows, columns=judge.COLUMNS)


def test_every_object_that_was_clustered_can_be_drawn_once_with_its_cluster(run: Path) -> None:
    table, picture = judge.draw(100, 3, seed=0)
    assert sorted(table["image"]) == [f"img_{i:02d}" for i in range(11)]
    assert table["object"].tolist() == list(range(1, 12))
    expected = {f"img_{i:02d}": 1 + i % 2 for i in range(10)} | {"img_10": 2}
    assert dict(zip(table["image"], table["cluster"], strict=True)) == expected
    assert picture.size == (judge.ACROSS * (judge.SIDE + 4), 2 * (judge.SIDE + judge.CAPTION))
    assert judge.draw(4, 3, seed=0)[0].equals(table[:4])
    assert not judge.draw(4, 3, seed=1)[0].equals(table[:4])


def test_an_object_keeps_its_colours_and_what_is_around_it_grows_pale(run: Path) -> None:
    table, picture = judge.draw(1, 3, seed=0)
    drawn = np.asarray(picture)[: judge.SIDE, : judge.SIDE].astype(int)
    where = disc(int(str(table["image"].iloc[0])[-2:]))
    reddest = drawn[..., 0] - drawn[..., 2] > 100  # the disc alone is red
    assert reddest.sum() == pytest.approx(where.sum(), rel=0.2)
    dark = drawn.max(axis=2) < 140  # the ground, as it was
    assert dark.sum() < 0.2 * where.sum()  # at the rim alone


def test_purity_is_the_share_of_the_most_frequent_kind() -> None:
    found = judge.score(judged([1, 1, 1, 2, 2, 3, 3], ["cat", "cat", "dog", "dog", "bus", "", "  "]))
    assert found.purity == pytest.approx(100 * 3 / 5)
    assert (found.judged, found.clusters, found.kinds) == (5, 2, 3)


def test_clusters_of_one_object_are_pure_by_chance() -> None:
    alone = judge.score(judged([1, 2, 3], ["cat", "dog", "bus"]))
    assert (alone.purity, alone.shuffled) == (100, 100)
    apart = judge.score(judged([1] * 50 + [2] * 50, ["cat"] * 50 + ["dog"] * 50))
    assert apart.purity == 100
    assert 50 < apart.shuffled < 58


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (judged([1, 2], ["", ""]), "no kind is written in the table"),
        (judged([1, 2], ["cat", "dog"]).drop(columns="cluster"), "the table has no column cluster"),
    ],
)
def test_a_table_without_kinds_or_columns_is_refused(table: pd.DataFrame, told: str) -> None:
    with pytest.raises(InputError, match=told):
        judge.score(table)


def test_other_numbers_of_clusters_are_refused_by_name(run: Path) -> None:
    with pytest.raises(InputError, match="has no clustering into 21 clusters; choose one of 3"):
        judge.draw(100, 21, seed=0)


def test_from_the_sheet_to_the_purity_and_no_kinds_are_lost(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    sheet, table = run / "sheet.png", run / "sheet.csv"
    assert judge.main(["score", str(table)]) == 1
    assert judge.main(["draw", str(sheet), "--clusters", "3", "--count", "6"]) == 0
    with Image.open(sheet) as picture:
        assert picture.format == "PNG"
    drawn = judge.read(table)
    assert judge.main(["draw", str(sheet), "--clusters", "3", "--count", "6"]) == 0
    drawn.assign(kind=[f"kind {cluster}" for cluster in drawn["cluster"]]).to_csv(table, index=False)
    assert judge.main(["draw", str(sheet), "--clusters", "3"]) == 1
    assert "holds kinds already" in caplog.text
    assert judge.main(["score", str(table)]) == 0
    assert "purity 100.0 % (by chance" in caplog.text


def test_sorted_objects_begin_a_row_for_each_cluster(run: Path) -> None:
    judge.draw(100, 3, seed=0)[0].to_csv(run / "sheet.csv", index=False)
    assert judge.main(["sort", str(run / "sheet.csv"), str(run / "sorted.png")]) == 0
    with Image.open(run / "sorted.png") as picture:
        drawn = np.asarray(picture)
    cell, height = judge.SIDE + 4, judge.SIDE + judge.CAPTION
    assert drawn.shape == (2 * height, judge.ACROSS * cell, 3)
    places = [[drawn[y * height :][: judge.SIDE, x * cell :][:, :cell] for x in range(7)] for y in (0, 1)]
    assert [sum(int((place < 255).any()) for place in row) for row in places] == [5, 6]


def test_the_chart_has_a_colour_for_each_kind(run: Path) -> None:
    judged([1, 1, 2, 2], ["cat", "dog", "dog", ""]).to_csv(run / "sheet.csv", index=False)
    assert judge.main(["score", str(run / "sheet.csv"), "--chart", str(run / "chart.png")]) == 0
    with Image.open(run / "chart.png") as picture:
        colours = {colour for count, colour in picture.convert("RGB").getcolors(1 << 24) or [] if count > 500}
    assert {(31, 119, 180), (174, 199, 232)} < colours  # the first two of the palette, and no third
    assert (255, 127, 14) not in colours


def test_a_full_row_is_followed_by_another() -> None:
    small = [Image.new("RGB", (4, 4))] * (judge.ACROSS + 1)
    assert judge.sheet(small, ["a"] * len(small)).height == 2 * (judge.SIDE + judge.CAPTION)
    assert judge.sheet(small, ["a"] * len(small), [1] * 3 + [2] * (len(small) - 3)).height == 2 * (
        judge.SIDE + judge.CAPTION
    )
