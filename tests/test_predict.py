"""Predictions outside the graph: the same as the graph's own, in every form that is written."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from pipeline import predict
from pipeline.cluster_store import ClusterStore
from pipeline.embedding_store import EmbeddingStore
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.images.nearest import nearest
from pipeline.images.packing import pack
from pipeline.images.voc import read as read_voc
from tests.browser import WIDTHS, broken_images, overflow, watched
from tests.predicted_photos import CLUSTERS, ROOT, pixels, table

# pycocotools 2.0 on NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.fixture(scope="module")
def written(learned: Path) -> Path:
    """What one call writes of all photographs and a damaged one, every form of it."""
    (learned / "more").mkdir()
    (learned / "more" / "damaged.jpg").write_bytes((learned / "photos" / "02.jpg").read_bytes()[:200])
    arguments = [
        "predictor.pt",
        "photos",
        "more",
        "--out",
        "out",
        "--format",
        "voc",
        "coco",
        "--copy-images",
        "--report",
    ]
    environment = {**os.environ, "MASKCONTRAST_DEVICE": "cpu", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipeline.predict", *arguments, "--batch", "5"]
    done = subprocess.run(command, cwd=learned, env=environment, capture_output=True, text=True)
    assert done.returncode == predict.SOME_SKIPPED, done.stderr
    assert "skipped: more/damaged.jpg is unreadable, truncated or no image" in done.stderr
    assert "1 of 13 images were skipped: more/damaged.jpg" in done.stderr
    assert "predicting: 100%" in done.stderr
    return learned / "out"


def labels_by_name(written: Path) -> dict[str, np.ndarray]:
    """The label map of every photograph, by the name that tables give it."""
    photos = written.parent / "photos"
    names = [path.relative_to(photos) for path in sorted(photos.rglob("*.*")) if path.is_file()]
    return {name.as_posix(): pixels(written / "labels" / name.with_suffix(".png")) for name in names}


def test_label_maps_are_those_of_the_graph(written: Path, learned: Path) -> None:
    """Foreground by `embed`, cluster by `cluster`, painted as the report does; every cluster is seen."""
    stored, images = EmbeddingStore(learned / "embeddings.h5"), ImageSet(learned / "images.h5")
    assignments = ClusterStore(learned / "clusters.h5").runs("maskcontrast", CLUSTERS)[1].assignments
    rows = {row["image"].rpartition(".")[0].replace("/", "__"): row for row in table(written / "objects.csv")}
    found = {name.rpartition(".")[0].replace("/", "__"): labels for name, labels in labels_by_name(written).items()}
    assert sorted(found) == images.ids and set(assignments) - {-1} == set(range(CLUSTERS - 1))
    for i, image_id in enumerate(images.ids):
        expected = nearest(stored.foreground(i).astype(np.uint8), images.rgb(i).shape[:2]) * (assignments[i] + 1)
        assert (found[image_id] == expected).all()
        assert int(rows[image_id]["cluster"] if image_id in rows else 0) == assignments[i] + 1


def test_every_object_has_a_row_that_describes_its_pixels(written: Path) -> None:
    rows = table(written / "objects.csv")
    labels = {name: labels for name, labels in labels_by_name(written).items() if labels.any()}
    assert 8 < len(labels) < 12  # in some there is nothing salient
    assert [row["image"] for row in rows] == sorted(labels, key=lambda name: ("/" in name, name))
    for row in rows:
        ys, xs = np.nonzero(labels[row["image"]])
        assert (int(row["area"]), int(row["object"])) == (len(ys), 1)
        box = [int(row[f"box_{part}"]) for part in ("x", "y", "width", "height")]
        assert box == [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
        assert row["name"] == ["background", "cat", "dog", "cluster 3"][int(row["cluster"])]
        assert 0 <= float(row["confidence"]) <= 1
    assert len({row["confidence"] for row in rows}) > 6


def test_masks_and_overlays_belong_to_the_label_maps(written: Path) -> None:
    inside, outside = [], []
    for name, labels in labels_by_name(written).items():
        stem = name.rpartition(".")[0]
        assert (pixels(written / "masks" / f"{stem}.png") == 255 * (labels > 0)).all()
        with Image.open(written / "labels" / f"{stem}.png") as image:
            assert image.mode == "P" and image.getpalette()[3:6] == [128, 0, 0]  # type: ignore[index]
        overlay, photo = pixels(written / "overlays" / f"{stem}.jpg"), pixels(written.parent / "photos" / name)
        difference = np.abs(overlay.astype(int) - photo).mean(axis=-1)
        inside.append(difference[labels > 0])
        outside.append(difference[labels == 0])
    # Of all images together: round small objects JPEG smears their colour.
    assert np.median(np.concatenate(outside)) < 8 < 20 < np.median(np.concatenate(inside))


def test_voc_goes_round_through_packing(written: Path, learned: Path, tmp_path: Path) -> None:
    classes = (written / "voc" / "classes.txt").read_text().split("\n")[:-1]
    assert classes == ["background", "cat", "dog", "cluster 3"]
    pack(read_voc(written / "voc", classes), tmp_path / "images.h5", tmp_path / "labels.h5", "stop")
    images, labels, known = ImageSet(tmp_path / "images.h5"), LabelSet(tmp_path / "labels.h5"), labels_by_name(written)
    assert images.ids == ImageSet(learned / "images.h5").ids == labels.ids
    for name, expected in known.items():
        i = images.index(name.rpartition(".")[0].replace("/", "__"))
        assert (labels.labels(i) == expected).all()
        assert images[i] == (learned / "photos" / name).read_bytes()
        assert (pixels(written / "voc" / "SegmentationObject" / f"{images.ids[i]}.png") == (expected > 0)).all()
    assert "cat:128,0,0::" in (written / "voc" / "labelmap.txt").read_text().split("\n")


@pytest.mark.parametrize("name", ["polygons", "rle"])
def test_pycocotools_reads_the_same_masks(name: str, written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco, known = COCO(str(written / "coco" / f"{name}.json")), labels_by_name(written)
    assert {entry["file_name"] for entry in coco.imgs.values()} == known.keys()
    assert [(category["id"], category["name"]) for category in coco.cats.values()] == [
        (1, "cat"), (2, "dog"), (3, "cluster 3"),
    ]  # fmt: skip
    assert len(coco.anns) == sum(labels.any() for labels in known.values())
    for annotation in coco.anns.values():
        mask = known[coco.imgs[annotation["image_id"]]["file_name"]] > 0
        found: np.ndarray = coco.annToMask(annotation)
        assert (found == mask).all()
        assert annotation["area"] == mask.sum()
        assert annotation["segmentation"] and annotation["iscrowd"] == 0
    kinds = {type(annotation["segmentation"]) for annotation in coco.anns.values()}
    assert list in kinds if name == "polygons" else kinds == {dict}


def test_the_page_says_what_was_used_and_what_was_skipped(written: Path, learned: Path) -> None:
    page = (written / "report.html").read_text()
    assert hashlib.sha256((learned / "predictor.pt").read_bytes()).hexdigest() in page
    for part in ("<td>predictor.pt</td>", "<td>more/damaged.jpg</td>", "truncated or no image", "cluster 1: cat"):
        assert part in page
    assert f"{len(table(written / 'objects.csv'))} objects in 12 images." in page
    assert len(page.encode()) < 15e6


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS.values())
def test_the_page_is_whole_quiet_and_alone_at_any_width(width: int, written: Path) -> None:
    with watched(written / "report.html", width) as page:
        page.scroll_through()
        assert page.tab.locator("h2").all_inner_texts() == [
            "At a glance",
            "Clusters",
            "Areas and confidences",
            "Gallery",
        ]
        assert page.tab.locator(".plot[data-drawn]:has(svg.main-svg)").count() == 3
        assert page.tab.locator(".gallery figcaption").all_inner_texts()[-1] == "street/09.png"
        assert broken_images(page.tab) == [""]  # the one that waits for a point of a map
        assert overflow(page.tab) <= 0
        assert (page.complaints, page.requests) == ([], [])
        page.tab.keyboard.press("Tab")
        assert page.tab.evaluate("document.activeElement.textContent") == "Skip to the first section"
