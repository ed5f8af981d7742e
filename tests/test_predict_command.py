"""What the command does with places, names and options, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from pipeline import predict
from pipeline.cluster_store import ClusterStore
from pipeline.predictions.record import Prediction
from tests.predicted_photos import CLUSTERS, pixels, table


def run(learned: Path, out: Path, *arguments: str, inputs: tuple[str, ...] = ("photos/02.jpg",)) -> int:
    paths = [str(learned / name) for name in ("predictor.pt", *inputs)]
    return predict.main([*paths, "--out", str(out), *arguments])


@pytest.fixture(autouse=True)
def _on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKCONTRAST_DEVICE", "cpu")


def test_predictions_are_replaced_only_when_told(
    learned: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    assert run(learned, out) == 0
    (out / "mine.txt").write_text("kept")
    assert run(learned, out, inputs=("photos/04.jpg",)) == 1
    assert "holds predictions already; name another folder, or add --overwrite" in caplog.text
    assert (out / "mine.txt").exists()
    assert run(learned, out, "--overwrite", inputs=("photos/04.jpg",)) == 0
    assert [path.name for path in (out / "labels").iterdir()] == ["04.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_other_things_are_never_replaced(
    overwrite: list[str], learned: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    assert run(learned, tmp_path / "out", *overwrite) == 1
    assert run(learned, learned / "photos", *overwrite) == 1
    assert "holds other things than predictions" in caplog.text and "holds the images to predict on" in caplog.text
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "thesis.txt"]
    assert (learned / "photos" / "02.jpg").exists()


def test_an_error_on_the_way_leaves_nothing(learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path, prediction: Prediction, *rest: Any) -> None:
        (folder / "half").write_text("written")
        raise OSError("no space left")

    monkeypatch.setattr(predict, "save_pictures", fail)
    assert run(learned, tmp_path / "out") == 1
    assert list(tmp_path.iterdir()) == []


def test_images_of_which_none_can_be_read_leave_nothing(
    learned: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    assert run(learned, tmp_path / "out", inputs=(str(tmp_path / "bad.jpg"),)) == 1
    assert "none of 1 images can be read; the first: " in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["bad.jpg"]


def test_photographs_that_viewers_turn_are_told_of(
    learned: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for name in "ab":
        Image.new("RGB", (60, 40)).save(tmp_path / f"{name}.jpg", exif=exif)
    inputs = (str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg"), "photos/02.jpg")
    assert run(learned, tmp_path / "out", inputs=inputs) == 0
    assert "2 images are stored otherwise than viewers show them, and taken as stored" in caplog.text


def test_names_of_the_user_reach_tables_and_exports(learned: Path, tmp_path: Path) -> None:
    assigned = table_of_clusters(learned)
    lines = [f"{cluster},{'background' if cluster == assigned['02.jpg'] else 'horse'}" for cluster in (1, 2, 3)]
    (tmp_path / "names.csv").write_text("\n".join(["cluster,name", *lines]))
    arguments = ("--names", str(tmp_path / "names.csv"), "--format", "coco", "voc")
    photos = tuple(f"photos/{name}" for name in ("02.jpg", *(n for n in assigned if assigned[n] != assigned["02.jpg"])))
    assert run(learned, tmp_path / "out", *arguments, inputs=photos) == 0
    rows = table(tmp_path / "out" / "objects.csv")
    assert {row["name"] for row in rows} == {"background", "horse"}
    coco = json.loads((tmp_path / "out" / "coco" / "rle.json").read_text())
    assert [category["name"] for category in coco["categories"]] == ["horse"]
    assert len(coco["annotations"]) == sum(row["name"] == "horse" for row in rows)
    assert not pixels(tmp_path / "out" / "voc" / "SegmentationClass" / "02.png").any()
    assert pixels(tmp_path / "out" / "labels" / "02.png").any()
    assert table(tmp_path / "out" / "names.csv")[0]["cluster"] == "1"


def table_of_clusters(learned: Path) -> dict[str, int]:
    """The cluster of every photograph that lies in no subfolder."""
    store = ClusterStore(learned / "clusters.h5")
    assignments = store.runs("maskcontrast", CLUSTERS)[1].assignments
    by_id = dict(zip(store.ids, assignments.tolist(), strict=True))
    return {path.name: by_id[path.stem] + 1 for path in sorted((learned / "photos").glob("*.*"))}


def test_wrong_names_and_a_wrong_model_are_one_sentence(
    learned: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "names.csv").write_text("cluster,name\n9,cat\n")
    assert run(learned, tmp_path / "out", "--names", str(tmp_path / "names.csv")) == 1
    assert "line 2: cluster '9' is none of the clusters 1 to 3" in caplog.text
    encoder = [str(learned / "encoder.pt"), str(learned / "photos"), "--out", str(tmp_path / "out")]
    assert predict.main(encoder) == 1
    assert "encoder.pt holds a 'encoder' network, not 'predictor'" in caplog.text


@pytest.mark.parametrize(
    "arguments",
    [["--min-area", "0.001"], ["--batch", "0"], ["--tile-pixels", "-1"], ["--copy-images"], ["--format", "png"]],
)
def test_impossible_options_are_refused(arguments: list[str], learned: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        run(learned, tmp_path / "out", *arguments)
    assert list(tmp_path.iterdir()) == []
