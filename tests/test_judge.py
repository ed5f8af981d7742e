from collections.abc import Callable
from pathlib import Path

import numpy as np
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


def judged(run: Path, kind_of: Callable[[str], str]) -> Path:
    """The table of all objects, with their kinds."""
    table, _ = judge.draw(100, seed=0)
    table.assign(kind=[kind_of(name) for name in table["image"]]).to_csv(run / "sheet.csv", index=False)
    return run / "sheet.csv"


def cluster_of(name: str) -> int:
    number = int(name[-2:])
    return 2 if number == 10 else 1 + number % 2


def test_every_object_that_was_clustered_can_be_drawn_once_and_nothing_tells_its_cluster(run: Path) -> None:
    table, picture = judge.draw(100, seed=0)
    assert sorted(table["image"]) == [f"img_{i:02d}" for i in range(11)]
    assert table["object"].tolist() == list(range(1, 12))
    assert list(table) == ["object", "image", "kind"]
    assert picture.size == (judge.ACROSS * (judge.SIDE + 4), 2 * (judge.SIDE + judge.CAPTION))
    assert judge.draw(4, seed=0)[0].equals(table[:4])
    assert not judge.draw(4, seed=1)[0].equals(table[:4])


def test_an_object_keeps_its_colours_and_what_is_around_it_grows_pale(run: Path) -> None:
    table, picture = judge.draw(1, seed=0)
    drawn = np.asarray(picture)[: judge.SIDE, : judge.SIDE].astype(int)
    where = disc(int(str(table["image"].iloc[0])[-2:]))
    reddest = drawn[..., 0] - drawn[..., 2] > 100  # the disc alone is red
    assert reddest.sum() == pytest.approx(where.sum(), rel=0.2)
    dark = drawn.max(axis=2) < 140  # the ground, as it was
    assert dark.sum() < 0.2 * where.sum()  # at the rim alone


def test_purity_is_the_share_of_the_most_frequent_kind() -> None:
    clusters, kinds = np.array([4, 4, 4, 0, 0]), np.array([0, 0, 1, 1, 2])
    assert judge.purity(clusters, kinds) == pytest.approx(100 * 3 / 5)
    assert judge.purity(np.array([-1, 0]), np.array([0, 1])) == 100


def test_clusters_of_one_object_are_pure_by_chance() -> None:
    assert judge.purity_by_chance(np.arange(3), np.arange(3)) == 100
    assert 50 < judge.purity_by_chance(np.repeat([0, 1], 50), np.repeat([0, 1], 50)) < 58


def test_clusters_are_looked_up_and_kinds_compared_without_spaces_and_capitals(run: Path) -> None:
    path = judged(run, lambda name: {1: "cat", 2: [" Dog", "dog "][int(name[-2:]) // 2 % 2]}[cluster_of(name)])
    found = judge.score(judge.read(path)).to_dict("records")
    assert [(row["network"], row["clusters"], row["purity_mean"], row["purity_std"]) for row in found] == [
        ("maskcontrast", 3, 100, 0)
    ]
    assert 50 < found[0]["by_chance"] < 80
    placed = judge.clustered(judge.read(path), 3)
    assert placed["cluster"].tolist() == [1] * 5 + [2] * 6 == [cluster_of(name) for name in placed["image"]]


def test_objects_without_a_kind_do_not_count(run: Path) -> None:
    path = judged(run, lambda name: "" if name == "img_03" else "cat" if cluster_of(name) == 1 else "  ")
    assert judge.score(judge.read(path))["purity_mean"].tolist() == [100]
    with pytest.raises(InputError, match="no kind is written in the table"):
        judge.score(judge.read(judged(run, lambda _: " ")))


@pytest.mark.parametrize("text", ["object;image;kind\n1;a;cat\n", "object,image\n1,a\n", ""])
def test_another_table_is_refused_and_never_overwritten(run: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    (run / "sheet.csv").write_text(text)
    for arguments in (["score", "sheet.csv"], ["sort", "sheet.csv", "sorted.png"], ["draw", "sheet.png"]):
        places = [str(run / word) if "." in word else word for word in arguments]
        assert judge.main(places) == 1
    assert caplog.text.count("sheet.csv has no column") == 3
    assert (run / "sheet.csv").read_text() == text


@pytest.mark.parametrize(
    "words", [["draw", "a.csv"], ["draw", "a.png", "--count", "-5"], ["draw", "a.png", "--count", "0"]]
)
def test_arguments_that_cannot_be_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        judge.main(words)


def test_other_numbers_of_clusters_are_refused_by_name(run: Path) -> None:
    with pytest.raises(InputError, match="has no clustering into 21 clusters; choose one of 3"):
        judge.clustered(judge.draw(3, seed=0)[0], 21)


def test_from_the_sheet_to_the_purity_and_no_kinds_are_lost(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    sheet, table = run / "sheet.png", run / "sheet.csv"
    assert judge.main(["score", str(table)]) == 1
    assert judge.main(["draw", str(sheet), "--count", "6"]) == 0
    with Image.open(sheet) as picture:
        assert picture.format == "PNG"
    drawn = judge.read(table)
    assert judge.main(["draw", str(sheet), "--count", "6"]) == 0
    drawn.assign(kind="cat").to_csv(table, index=False)
    assert judge.main(["draw", str(sheet)]) == 1
    assert "holds kinds already" in caplog.text
    assert judge.main(["score", str(table)]) == 0
    assert "maskcontrast" in caplog.text and "100.0" in caplog.text


def test_sorted_objects_begin_a_row_for_each_cluster(run: Path) -> None:
    path = judged(run, lambda _: "cat")
    assert judge.main(["sort", str(path), str(run / "sorted.png"), "--clusters", "3"]) == 0
    with Image.open(run / "sorted.png") as picture:
        drawn = np.asarray(picture)
    cell, height = judge.SIDE + 4, judge.SIDE + judge.CAPTION
    assert drawn.shape == (2 * height, judge.ACROSS * cell, 3)
    places = [[drawn[y * height :][: judge.SIDE, x * cell :][:, :cell] for x in range(7)] for y in (0, 1)]
    assert [sum(int((place < 255).any()) for place in row) for row in places] == [5, 6]


def test_the_chart_has_a_colour_for_each_kind(run: Path) -> None:
    path = judged(run, lambda name: "cat" if name < "img_05" else "dog" if name < "img_08" else "")
    assert judge.main(["score", str(path), "--clusters", "3", "--chart", str(run / "chart.png")]) == 0
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
