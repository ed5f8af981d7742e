"""The command, on sets of a host of this machine."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.images import coco, download, saliency_sets, voc
from pipeline.images.download import main
from pipeline.images.downloads import SETS, Archive, DataSet, Part
from tests.dag_graph import ROOT, closure
from tests.images.test_unpack import found, save_zip
from tests.images.web import Host, serving


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Has the set `shapes` of two archives: the first with a checksum, the second without."""
    images = save_zip(tmp_path / "a.zip", {"shapes/a.jpg": b"image"}).read_bytes()
    labels = save_zip(tmp_path / "b.zip", {"labels/a.png": b"label"}).read_bytes()
    monkeypatch.setenv("no_proxy", "*")
    with serving(Host({"images.zip": images, "all/labels.zip": labels})) as running:
        archives = (
            Archive(
                f"{running.url}/images.zip",
                (Part("shapes/*.jpg", "shapes/images"),),
                f"md5:{hashlib.md5(images).hexdigest()}",
            ),
            Archive(
                f"{running.url}/all/labels.zip", (Part("labels/*.png", "shapes/labels"),), renamed="shapes_labels.zip"
            ),
        )
        monkeypatch.setattr(download, "SETS", {"shapes": DataSet("shapes", archives)} | SETS)
        yield running


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


def run(raw: Path, *arguments: str) -> int:
    return main([*arguments, "--to", str(raw), "--tries", "1", "--timeout", "5"])


SHAPES = {"shapes/images/a.jpg": b"image", "shapes/labels/a.png": b"label"}


def test_a_set_is_fetched_and_unpacked_and_then_left_alone(host: Host, raw: Path, caplog: pytest.LogCaptureFixture):
    assert run(raw, "shapes") == 0
    assert SHAPES.items() <= found(raw).items()
    assert sorted(path.name for path in raw.iterdir() if path.is_file()) == [
        "images.zip",
        "shapes_labels.zip",
        "shapes_labels.zip.sha256",
    ]
    asked = len(host.asked)
    with caplog.at_level("INFO"):
        assert run(raw, "shapes") == 0
    assert len(host.asked) == asked and f"{raw / 'shapes/images'} is there already" in caplog.messages


def test_what_is_missing_comes_from_the_archives_that_are_there(host: Host, raw: Path):
    run(raw, "shapes")
    (raw / "shapes" / "labels" / "a.png").unlink()
    (raw / "shapes" / "labels").rmdir()
    asked = len(host.asked)
    assert run(raw, "shapes") == 0
    assert SHAPES.items() <= found(raw).items() and len(host.asked) == asked


def test_archives_placed_by_hand_need_no_host(host: Host, raw: Path):
    raw.mkdir()
    (raw / "images.zip").write_bytes(host.files["images.zip"])
    (raw / "shapes_labels.zip").write_bytes(host.files["all/labels.zip"])
    assert run(raw, "shapes") == 0
    assert SHAPES.items() <= found(raw).items() and host.asked == []


def test_a_wrong_archive_placed_by_hand_is_set_aside(host: Host, raw: Path, caplog: pytest.LogCaptureFixture):
    save_zip(raw.parent / "raw.zip", {"shapes/a.jpg": b"another"})
    raw.mkdir()
    (raw.parent / "raw.zip").rename(raw / "images.zip")
    assert run(raw, "shapes") == 1
    assert found(raw).keys() == {"images.zip.bad"} and host.asked == []
    assert "instead of" in caplog.messages[-1] and "images.zip.bad now, so that the next call" in caplog.messages[-1]
    assert run(raw, "shapes") == 0


def test_an_archive_that_changed_since_the_first_time_is_refused(
    host: Host, raw: Path, caplog: pytest.LogCaptureFixture
):
    run(raw, "shapes")
    for path in (raw / "shapes_labels.zip", raw / "shapes" / "labels" / "a.png"):
        path.unlink()
    (raw / "shapes" / "labels").rmdir()
    host.files["all/labels.zip"] = save_zip(raw.parent / "c.zip", {"labels/a.png": b"changed"}).read_bytes()
    assert run(raw, "shapes") == 1
    assert "labels.zip has the sha256" in caplog.messages[-1]
    assert not (raw / "shapes" / "labels").exists()


def test_an_archive_of_other_contents_is_set_aside_and_its_checksum_not_noted(host: Host, raw: Path):
    host.files["all/labels.zip"] = save_zip(raw.parent / "c.zip", {"../a.png": b"out"}).read_bytes()
    assert run(raw, "shapes") == 1
    assert found(raw).keys() == {"images.zip", "shapes/images/a.jpg", "shapes_labels.zip.bad"}


def test_mirrors_come_first_and_in_order(host: Host, raw: Path):
    with serving(Host()) as empty, serving(Host({"sets/images.zip": host.files["images.zip"]})) as mirror:
        assert run(raw, "shapes", "--mirror", f"{empty.url}/", "--mirror", f"{mirror.url}/sets") == 0
    assert SHAPES.items() <= found(raw).items()
    assert [path for path, _ in empty.asked] == ["/images.zip", "/shapes_labels.zip"]
    assert [path for path, _ in mirror.asked] == ["/sets/images.zip", "/sets/shapes_labels.zip"]
    assert [path for path, _ in host.asked] == ["/all/labels.zip"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("vox", "error: there is no set 'vox'; the sets are voc, sbd, coco,"),
        ("imagenet", "error: imagenet cannot be fetched: it has no public address: register at image-net.org"),
    ],
)
def test_a_set_without_address_is_explained(raw: Path, name: str, sentence: str, caplog: pytest.LogCaptureFixture):
    assert run(raw, name) == 1
    assert caplog.messages[-1].startswith(sentence)


def test_without_a_name_the_sets_are_listed(caplog: pytest.LogCaptureFixture):
    with caplog.at_level("INFO"):
        assert main([]) == 0
    assert [line.split()[0] for line in caplog.messages[0].splitlines()] == list(SETS)


def test_no_stage_can_fetch_anything():
    paths = [path for folder in ("pipeline", "stages") for path in sorted((ROOT / folder).rglob("*.py"))]
    sources = {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths}
    stages = [path[: -len(".py")].replace("/", ".") for path in sources if path.startswith("stages/")]
    assert "pipeline/images/fetch.py" in closure("pipeline.images.download", sources) and len(stages) > 10
    for stage in stages:
        assert not {path for path in closure(stage, sources) if "fetch" in path or "download" in path}


def test_every_archive_has_a_name_and_folders_of_its_own():
    archives = [archive for each in SETS.values() for archive in each.archives]
    assert len({archive.file for archive in archives}) == len(archives)
    places = [part.to for archive in archives for part in archive.parts]
    assert sorted(place for place in set(places) if places.count(place) > 1) == ["msra"]


def test_the_sets_lie_where_the_layouts_look():
    places = {part.to for each in SETS.values() for archive in each.archives for part in archive.parts}
    assert {f"voc/{folder}" for folder in ("JPEGImages", "ImageSets/Segmentation", voc.SPLITS["train"])} <= places
    assert {f"coco/{part}" for part in coco.SPLITS.values()} <= places
    assert {
        f"coco/annotations/panoptic_{part}{end}" for part in coco.SPLITS.values() for end in ("", ".json")
    } <= places
    assert {f"benchmark/{name}/{kind}" for name in ("ecssd", "pascal_s") for kind in ("images", "masks")} <= places
    assert saliency_sets.CLASSES == ["background", "object"]
