"""Predictions outside the graph: the same as the graph's own, in every form that is written."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO

from pipeline import params, predict
from pipeline.cluster_names import named
from pipeline.cluster_store import ClusterStore, write_clusters
from pipeline.contrast.embedding import embed_set
from pipeline.contrast.encoder import Encoder, build_encoder
from pipeline.contrast.objects import WHOLE, ObjectRule, find_objects, regions_of
from pipeline.contrast.predictor import Predictor, bundle, load_predictor, save_predictor
from pipeline.embedding_store import EmbeddingStore
from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.images.folder import read
from pipeline.images.nearest import nearest
from pipeline.images.packing import pack
from pipeline.images.voc import read as read_voc
from pipeline.networks.backbone import load_backbone, save_backbone
from pipeline.networks.starting_weights import starting_backbone
from pipeline.predictions.photos import Photo
from pipeline.predictions.record import Prediction
from pipeline.scratch import Scratch
from pipeline.segmentation.kmeans import cluster_embeddings
from tests.browser import WIDTHS, broken_images, overflow, watched
from tests.dag_graph import closure, imports
from tests.profiles import SAMPLE, changed

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
SIZE, CLUSTERS = 48, 4
NO_CELLS = SAMPLE.embed.cells.model_dump() | {"networks": [], "splits": []}
HALF = SAMPLE.embed.paper.model_dump() | {"threshold": 0.5}
EMBED = changed(SAMPLE.embed, size=SIZE, batch=5, pooling="paper", cells=NO_CELLS, paper=HALF)
CHOSEN = params.BundlePredictor(clusters=CLUSTERS, seed=1, protocol="a", names="results/match_clusters")
# pycocotools 2.0 on NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def photographs(folder: Path) -> Path:
    """Discs of several colours and sizes, one or two an image, in two formats and a folder within the folder."""
    rng = np.random.default_rng(0)
    for i in range(12):
        height, width = 40 + 3 * i, 70 - 2 * i
        rows, columns = np.mgrid[:height, :width]
        pixels = np.full((height, width, 3), (40, 50, 70)) + rng.integers(0, 20, (height, width, 3))
        for centre in (14, 50)[: 1 + i % 2]:
            pixels[(rows - 20) ** 2 + (columns - centre) ** 2 < 60 + 8 * i] = np.eye(3)[i % 3] * 200
        path = folder / ("street" if i % 3 == 0 else "") / f"{i:02d}.{'png' if i % 2 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return folder


def knowing_encoder(start: Path, images: ImageSet) -> Encoder:
    """Batch norms know the images: in new ones features fade to nothing by layers."""
    torch.manual_seed(0)
    encoder = build_encoder(start, changed(SAMPLE.pretrain.encoder, atrous_rates=[2, 3], decoder_channels=32))
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        encoder.train()(torch.stack([images.squared(i, SIZE) for i in range(len(images))]))
    return encoder.eval()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photographs, what `embed` and `cluster` find in them, and `predictor.pt`."""
    folder = tmp_path_factory.mktemp("predict")
    pack(read(photographs(folder / "photos")), folder / "images.h5", folder / "labels.h5", "stop")
    images = ImageSet(folder / "images.h5")
    save_backbone(folder / "start.pt", starting_backbone("lcnet_050", "random", "", 0))
    encoder = knowing_encoder(folder / "start.pt", images)
    encoder.save(folder / "encoder.pt")
    start, scratch = load_backbone(folder / "start.pt", 8), Scratch(folder / "scratch")
    embed_set(images, encoder, start, EMBED, CPU, folder / "embeddings.h5", scratch)
    options = changed(SAMPLE.cluster, clusters=[CLUSTERS], seeds=[0, 1], components=8, whiten=True)
    table = EmbeddingStore(folder / "embeddings.h5").embeddings("maskcontrast")
    clusterings = {"maskcontrast": cluster_embeddings("maskcontrast", table, options)}
    write_clusters(folder / "clusters.h5", images.ids, clusterings, {"split": "all"})
    naming = named({1: "cat", 2: "dog"}, CLUSTERS)
    parts = folder / "encoder.pt", folder / "embeddings.h5", folder / "clusters.h5"
    save_predictor(folder / "predictor.pt", bundle(*parts, CHOSEN, naming))
    return folder


@pytest.fixture(scope="module")
def written(place: Path) -> Path:
    """What one call writes of all photographs and a damaged one, every form of it."""
    (place / "more").mkdir()
    (place / "more" / "damaged.jpg").write_bytes((place / "photos" / "02.jpg").read_bytes()[:200])
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
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == predict.SOME_SKIPPED, done.stderr
    assert "skipped: more/damaged.jpg is unreadable, truncated or no image" in done.stderr
    assert "1 of 13 images were skipped: more/damaged.jpg" in done.stderr
    assert "predicting: 100%" in done.stderr
    return place / "out"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def labels_by_name(written: Path) -> dict[str, np.ndarray]:
    """The label map of every photograph, by the name that tables give it."""
    photos = written.parent / "photos"
    names = [path.relative_to(photos) for path in sorted(photos.rglob("*.*")) if path.is_file()]
    return {name.as_posix(): pixels(written / "labels" / name.with_suffix(".png")) for name in names}


def test_label_maps_are_those_of_the_graph(written: Path, place: Path) -> None:
    """Foreground by `embed`, cluster by `cluster`, painted as the report does; every cluster is seen."""
    stored, images = EmbeddingStore(place / "embeddings.h5"), ImageSet(place / "images.h5")
    assignments = ClusterStore(place / "clusters.h5").runs("maskcontrast", CLUSTERS)[1].assignments
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


def test_voc_goes_round_through_packing(written: Path, place: Path, tmp_path: Path) -> None:
    classes = (written / "voc" / "classes.txt").read_text().split("\n")[:-1]
    assert classes == ["background", "cat", "dog", "cluster 3"]
    pack(read_voc(written / "voc", classes), tmp_path / "images.h5", tmp_path / "labels.h5", "stop")
    images, labels, known = ImageSet(tmp_path / "images.h5"), LabelSet(tmp_path / "labels.h5"), labels_by_name(written)
    assert images.ids == ImageSet(place / "images.h5").ids == labels.ids
    for name, expected in known.items():
        i = images.index(name.rpartition(".")[0].replace("/", "__"))
        assert (labels.labels(i) == expected).all()
        assert images[i] == (place / "photos" / name).read_bytes()
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


def test_the_page_says_what_was_used_and_what_was_skipped(written: Path, place: Path) -> None:
    page = (written / "report.html").read_text()
    assert hashlib.sha256((place / "predictor.pt").read_bytes()).hexdigest() in page
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


def run(place: Path, out: Path, *arguments: str, inputs: tuple[str, ...] = ("photos/02.jpg",)) -> int:
    paths = [str(place / name) for name in ("predictor.pt", *inputs)]
    return predict.main([*paths, "--out", str(out), *arguments])


@pytest.fixture(autouse=True)
def _on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKCONTRAST_DEVICE", "cpu")


def test_predictions_are_replaced_only_when_told(place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "out"
    assert run(place, out) == 0
    (out / "mine.txt").write_text("kept")
    assert run(place, out, inputs=("photos/04.jpg",)) == 1
    assert "holds predictions already; name another folder, or add --overwrite" in caplog.text
    assert (out / "mine.txt").exists()
    assert run(place, out, "--overwrite", inputs=("photos/04.jpg",)) == 0
    assert [path.name for path in (out / "labels").iterdir()] == ["04.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_other_things_are_never_replaced(
    overwrite: list[str], place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    assert run(place, tmp_path / "out", *overwrite) == 1
    assert run(place, place / "photos", *overwrite) == 1
    assert "holds other things than predictions" in caplog.text and "holds the images to predict on" in caplog.text
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "thesis.txt"]
    assert (place / "photos" / "02.jpg").exists()


def test_an_error_on_the_way_leaves_nothing(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path, prediction: Prediction, *rest: Any) -> None:
        (folder / "half").write_text("written")
        raise OSError("no space left")

    monkeypatch.setattr(predict, "save_pictures", fail)
    assert run(place, tmp_path / "out") == 1
    assert list(tmp_path.iterdir()) == []


def test_images_of_which_none_can_be_read_leave_nothing(
    place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    assert run(place, tmp_path / "out", inputs=(str(tmp_path / "bad.jpg"),)) == 1
    assert "none of 1 images can be read; the first: " in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["bad.jpg"]


def test_names_of_the_user_reach_tables_and_exports(place: Path, tmp_path: Path) -> None:
    assigned = table_of_clusters(place)
    lines = [f"{cluster},{'background' if cluster == assigned['02.jpg'] else 'horse'}" for cluster in (1, 2, 3)]
    (tmp_path / "names.csv").write_text("\n".join(["cluster,name", *lines]))
    arguments = ("--names", str(tmp_path / "names.csv"), "--format", "coco", "voc")
    photos = tuple(f"photos/{name}" for name in ("02.jpg", *(n for n in assigned if assigned[n] != assigned["02.jpg"])))
    assert run(place, tmp_path / "out", *arguments, inputs=photos) == 0
    rows = table(tmp_path / "out" / "objects.csv")
    assert {row["name"] for row in rows} == {"background", "horse"}
    coco = json.loads((tmp_path / "out" / "coco" / "rle.json").read_text())
    assert [category["name"] for category in coco["categories"]] == ["horse"]
    assert len(coco["annotations"]) == sum(row["name"] == "horse" for row in rows)
    assert not pixels(tmp_path / "out" / "voc" / "SegmentationClass" / "02.png").any()
    assert pixels(tmp_path / "out" / "labels" / "02.png").any()
    assert table(tmp_path / "out" / "names.csv")[0]["cluster"] == "1"


def table_of_clusters(place: Path) -> dict[str, int]:
    """The cluster of every photograph that lies in no subfolder."""
    store = ClusterStore(place / "clusters.h5")
    assignments = store.runs("maskcontrast", CLUSTERS)[1].assignments
    by_id = dict(zip(store.ids, assignments.tolist(), strict=True))
    return {path.name: by_id[path.stem] + 1 for path in sorted((place / "photos").glob("*.*"))}


def test_wrong_names_and_a_wrong_model_are_one_sentence(
    place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "names.csv").write_text("cluster,name\n9,cat\n")
    assert run(place, tmp_path / "out", "--names", str(tmp_path / "names.csv")) == 1
    assert "line 2: cluster '9' is none of the clusters 1 to 3" in caplog.text
    encoder = [str(place / "encoder.pt"), str(place / "photos"), "--out", str(tmp_path / "out")]
    assert predict.main(encoder) == 1
    assert "encoder.pt holds a 'encoder' network, not 'predictor'" in caplog.text


@pytest.mark.parametrize(
    "arguments",
    [["--min-area", "0.001"], ["--batch", "0"], ["--tile-pixels", "-1"], ["--copy-images"], ["--format", "png"]],
)
def test_impossible_options_are_refused(arguments: list[str], place: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        run(place, tmp_path / "out", *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def predictor(place: Path) -> Predictor:
    return load_predictor(place / "predictor.pt")


def predicted(predictor: Predictor, path: Path, options: predict.Options) -> Prediction:
    with ThreadPoolExecutor(1) as pool:
        found = predict.predict(predictor, [Photo(path, path.name)], options, CPU, pool)
        prediction = next(found)
    assert isinstance(prediction, Prediction)
    return prediction


def test_components_are_pooled_each_alone(predictor: Predictor, place: Path) -> None:
    whole, parts = (
        predicted(predictor, place / "photos" / "05.png", predict.Options(rule=ObjectRule(kind, 0.01)))
        for kind in ("whole", "components")
    )
    assert len(whole.objects) == 1 < len(parts.objects)
    areas = [found.area for found in parts.objects]
    assert sum(areas) <= whole.objects[0].area and min(areas) > 0.005 * parts.regions.size
    assert len({found.confidence for found in parts.objects}) == len(parts.objects)


def test_regions_are_numbered_by_size_and_small_ones_left_out() -> None:
    foreground = np.zeros((10, 10), dtype=bool)
    foreground[0, :3], foreground[4:7, 4:7], foreground[9, 9] = True, True, True
    regions = regions_of(foreground, ObjectRule("components", 0.02))
    assert [int((regions == i).sum()) for i in (1, 2)] == [9, 3] and regions.max() == 2
    assert (regions_of(foreground, WHOLE) == foreground).all()
    assert regions_of(foreground, ObjectRule("components", 0.5)).max() == 0


def test_batches_and_company_do_not_matter(predictor: Predictor) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*grid, SIZE, SIZE, 3), dtype=np.uint8) for grid in ((1, 1), (2, 1), (1, 1), (2, 3))]
    rule = ObjectRule("components", 0.01)
    together = find_objects(predictor, images, rule, 3, CPU)
    alone = [find_objects(predictor, [image], rule, 16, CPU)[0] for image in images]
    for one, other in zip(together, alone, strict=True):
        assert (one.regions == other.regions).mean() > 0.999
        assert one.clusters == other.clusters
        assert np.allclose(one.confidences, other.confidences, atol=1e-3)
    assert together[3].regions.shape == (2 * SIZE, 3 * SIZE)


def test_an_object_reaches_over_tiles(predictor: Predictor, place: Path, tmp_path: Path) -> None:
    """Four copies of one image side by side, a tile each, are one object with the embedding of the one image."""
    with Image.open(place / "photos" / "05.png") as image:
        small = np.asarray(image.convert("RGB").resize((SIZE, SIZE)))
    Image.fromarray(small).save(tmp_path / "one.png")
    Image.fromarray(np.tile(small, (2, 2, 1))).save(tmp_path / "four.png")
    one = predicted(predictor, tmp_path / "one.png", predict.Options())
    four = predicted(predictor, tmp_path / "four.png", predict.Options(tile_pixels=SIZE * SIZE))
    assert (np.tile(one.regions, (2, 2)) == four.regions).mean() > 0.9  # apart from the seams, where maps are blended
    assert len(four.objects) == 1
    assert four.objects[0].cluster == one.objects[0].cluster
    assert abs(four.objects[0].confidence - one.objects[0].confidence) < 0.1


def test_a_bundle_is_the_same_bytes_again_and_names_a_missing_clustering(place: Path, tmp_path: Path) -> None:
    parts = [place / f"{part}.h5" for part in ("embeddings", "clusters")]
    saved = load_predictor(place / "predictor.pt")
    save_predictor(tmp_path / "again.pt", saved)
    assert (tmp_path / "again.pt").read_bytes() == (place / "predictor.pt").read_bytes()
    for change in ({"clusters": 9}, {"seed": 7}):
        with pytest.raises(InputError, match="has no clustering of K . and seed ."):
            bundle(place / "encoder.pt", parts[0], parts[1], changed(CHOSEN, **change), saved.naming)


def test_neither_dvc_nor_the_reader_of_parameters_is_used() -> None:
    """That no params.yaml is needed shows in `written`, whose folder has none."""
    sources = {path.relative_to(ROOT).as_posix(): path.read_text() for path in ROOT.glob("pipeline/**/*.py")}
    loaded = closure("pipeline.predict", sources)
    assert "pipeline/contrast/objects.py" in loaded
    used = set().union(*(imports(sources[path]) for path in loaded))
    assert not {name for name in used if name.split(".")[0] == "dvc"}
    assert not used & {"pipeline.params.load", "pipeline.scratch"}
