import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from pipeline import profile
from pipeline.cluster_store import Clustering, NamedClusterings, Projection, write_clusters
from pipeline.embedding_store import write_embeddings
from pipeline.history import write_results
from pipeline.images.codecs import encode_png
from pipeline.packed import write_packed
from pipeline.report.page.headline import EVALUATED
from stages import match_clusters, report, retrieve
from tests.browser import Watched, watched
from tests.conftest import disc
from tests.stages.tiny_runs import ROOT

SUMMARIES = {
    "score_saliency": {"maps": {}, "masks": {"iou": 0.5}},
    "extract_masks": {"images": 12},
    "pretrain": {"loss": 1.5},
    "probe_linear": {"maskcontrast": {"best_on_val": {"miou_mean": 61.25}, "last": {"miou_mean": 60.25}}},
    "score_baselines/saliency": {"linear": {"best_on_val": {"miou_mean": 6.5}}},
    **{f"pack_images/{name}": {"images": 12} for name in ("proposal", "benchmark", "target")},
    **{f"finetune/1.0-0-{init}": {"miou": 30.0} for init in ("start", "maskcontrast")},
}
CHANGED = """
probe_linear: {train: train}
retrieve: {size: 0, kept_classes: []}
cluster: {clusters: [2]}
bundle_predictor: {clusters: 2, seed: 0}
"""
SCORED = ("probe_linear", "score_baselines", "finetune")
TABLES = {
    "bundle_predictor/names": "cluster,name\n1,disc",
    "score_saliency/scores": "source,max_f\nrbd,0.123456",
    "score_saliency/gains": "source,max_f\nrbd,0.1",
    "probe_linear/iou_per_class": "init,seed,epoch,class,iou\n"
    "maskcontrast,0,last,background,80\nmaskcontrast,0,last,disc,40",
    "probe_linear/validation": "init,seed,epoch,miou\nmaskcontrast,0,1,50",
    **{f"{name}/log": "epoch,loss\n1,0.5" for name in ("fuse_pseudolabels", "train_basnet", "pretrain")},
    **{f"refine_pseudolabels/{prior}/log": "epoch,loss\n1,0.5" for prior in ("rbd", "mc")},
}
# Of every image of the target there is a map, so that they make a benchmark too.
PLACES = {
    **{f"{kind}/{name}.h5": f"{kind}.h5" for kind in ("images", "labels", "masks") for name in ("target", "benchmark")},
    "pseudolabels.h5": "maps/rbd.h5",
    "saliency.h5": "maps/rbd.h5",
}
ARGUMENTS = ("images", "labels", "maps", "pseudolabels.h5", "saliency.h5", "masks", "e.h5", "c.h5", "results")


@pytest.fixture
def finished(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which all stages but the report have run: every disc was found, and is its own cluster."""
    (tmp_path / "splits.yaml").write_text(CHANGED)
    profile.apply(tmp_path / "splits.yaml", folder / "params.yaml")
    monkeypatch.chdir(folder)
    ids, objects = [f"img_{i:02d}" for i in range(12)], [disc(i).astype(np.uint8) for i in range(12)]
    entries = [(image_id, encode_png(label_map)) for image_id, label_map in zip(ids, objects, strict=True)]
    write_packed(Path("labels.h5"), entries, "labels", metadata={"classes": ["background", "disc"]})
    saliency = [np.pad(255 * each, ((0, 8), (0, 0))) for each in objects]
    table = np.ones((12, 1), dtype=np.float32)
    write_embeddings(Path("e.h5"), ids, saliency, {"maskcontrast": table}, 48, {"threshold": 0.5})
    same = Clustering(np.zeros(4, dtype=np.int32), np.ones((1, 1), dtype=np.float32), 0.0)
    projection = Projection(np.zeros(1, dtype=np.float32), np.ones((1, 1), dtype=np.float32))
    write_clusters(
        Path("c.h5"), ids[8:], {"maskcontrast": NamedClusterings(projection, {2: {0: same}})}, {"split": "val"}
    )
    match_clusters.main(Path("e.h5"), Path("c.h5"), Path("labels.h5"), Path("results/match_clusters"))
    retrieve.main(Path("images.h5"), Path("e.h5"), Path("labels.h5"), Path("results/retrieve"))
    for name, summary in SUMMARIES.items():
        write_results(Path("results") / name, summary)
    for name, text in TABLES.items():
        path = Path("results") / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    for place, file in PLACES.items():
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).symlink_to(folder / file)
    shutil.copy(ROOT / "dvc.yaml", folder)
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    return folder


SALIENCY_TABLES = {f"saliency_{name}.csv" for name in ("scores", "gains", "losses")}


def reported() -> tuple[dict, set[str]]:
    """The metrics, and the names of the plots."""
    report.main(*map(Path, (*ARGUMENTS, "profiles", "metrics/summary.json", "plots", "report/index.html")))
    return json.loads(Path("metrics/summary.json").read_text()), {path.name for path in Path("plots").iterdir()}


def forget_labels(folder: Path) -> None:
    """What the stages leave where nobody has drawn a label."""
    write_packed(folder / "labels.h5", [], "labels", metadata={"classes": []})
    forget_scores(folder, "match_clusters", "retrieve", *SCORED)
    call_clusters(folder, "cluster 1")


def forget_scores(folder: Path, *stages: str) -> None:
    """What these stages leave where there was nothing to score."""
    for summary in list((folder / "results").rglob("summary.json")):
        if summary.relative_to(folder / "results").as_posix().startswith(stages):
            shutil.rmtree(summary.parent)
            write_results(summary.parent, {})


def call_clusters(folder: Path, name: str) -> None:
    """Have the bundled model call its only cluster so."""
    (folder / "results" / "bundle_predictor" / "names.csv").write_text(f"cluster,name\n1,{name}\n")


def test_without_any_label_what_needs_none_is_reported(finished: Path):
    forget_labels(finished)
    summary, files = reported()
    assert summary["kmeans"] == summary["retrieve"] == summary["linear"] == {}
    assert summary["finetune"] == {"100pct": {"start": {}, "maskcontrast": {}}}
    assert summary["pretrain"] == {"loss": 1.5}
    assert files == {"overlays.png", "pretrain.csv", *SALIENCY_TABLES}


def test_of_what_few_labels_allow_everything_is_reported(finished: Path):
    forget_scores(finished, "retrieve", *SCORED)
    summary, files = reported()
    assert summary["kmeans"] and summary["retrieve"] == summary["linear"] == {}
    shown = {"iou_per_class.csv", "paper_tables.csv", "paper_tables.md", "confusion.png"}
    assert files == {"overlays.png", "pretrain.csv", *SALIENCY_TABLES, *shown}
    assert "| MaskContrast | linear | not run |" in (finished / "plots" / "paper_tables.md").read_text()
    assert titles((finished / "report" / "index.html").read_text()) == SECTIONS


def test_metrics_plots_and_the_papers_tables_are_written(finished: Path):
    summary, files = reported()
    assert summary["baselines"]["saliency"]["linear"]["best_on_val"]["miou_mean"] == 6.5
    csv = {f"{name}.csv" for name in ("pretrain", "probe_linear", "iou_per_class", "paper_tables")}
    figures = {f"{name}.png" for name in ("confusion", "overlays", "neighbours")}
    assert files == csv | figures | SALIENCY_TABLES | {"paper_tables.md"}
    page = (finished / "plots" / "paper_tables.md").read_text()
    assert "sample/target (8/4 images, 48 px)" in page
    assert "| MaskContrast | linear | 61.2 | 60.2 |" in page
    assert "| saliency | linear | 6.5 |" in page
    assert "published" not in page.replace("Published numbers are", "")
    assert (finished / "plots" / "saliency_scores.csv").read_text() == "source,max_f\nrbd,0.1235\n"


SECTIONS = ["At a glance", "Label maps", "From priors to masks", "Clusters", "Nearest neighbours", "Scores"]
SECTIONS += ["Training curves", "What ran"]


@pytest.fixture
def page(finished: Path) -> Iterator[Watched]:
    """The page of the run with labels, opened in a browser as wide as a phone."""
    reported()
    with watched(finished / "report" / "index.html", width=390) as found:
        yield found


@pytest.mark.slow
def test_the_page_is_whole_quiet_and_alone(page: Watched):
    assert page.tab.locator("h2").all_inner_texts() == SECTIONS
    page.scroll_through()
    assert page.tab.evaluate("[...document.images].filter(i => i.src).length") > 100
    assert page.tab.evaluate("[...document.images].filter(i => i.src && i.naturalWidth === 0).length") == 0
    assert page.tab.locator(".plot").count() == page.tab.locator(".plot[data-drawn]:has(svg.main-svg)").count() == 6
    assert page.tab.evaluate("document.documentElement.scrollWidth") == 390
    assert page.complaints == []
    assert page.requests == []

    # The pointer on a point of the map shows its picture; so do the arrow keys.
    plot = page.tab.locator(".plot[data-pictures]")
    plot.scroll_into_view_if_needed()
    assert not page.tab.locator("#peek").is_visible()
    plot.locator(".points path").first.hover(force=True)
    page.tab.locator("#peek img[src^='data:image/webp']").wait_for(state="visible")
    shown = page.tab.locator("#peek figcaption").inner_text()
    assert shown == "cluster 1: disc, img_11"  # all four lie in one place, this one on top
    plot.focus()
    page.tab.keyboard.press("ArrowRight")
    page.tab.keyboard.press("ArrowRight")
    expect(page.tab.locator("#peek figcaption")).to_have_text("cluster 1: disc, img_09")
    page.tab.keyboard.press("Escape")
    assert not page.tab.locator("#peek").is_visible()

    grounds = []
    for light in ("light", "dark"):
        page.tab.emulate_media(color_scheme=light)
        grounds.append(page.tab.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(255, 255, 255)", "rgb(16, 20, 24)"]

    # From the top, the keyboard reaches the navigation, and by it every section.
    page.tab.reload()
    reached = []
    for _ in range(len(SECTIONS) + 1):
        page.tab.keyboard.press("Tab")
        reached.append(page.tab.evaluate("document.activeElement.textContent"))
    assert reached == ["Skip to the first section", *SECTIONS]
    page.tab.keyboard.press("Enter")
    assert page.tab.evaluate("location.hash") == "#run"


def titles(text: str) -> list[str]:
    return re.findall(r"<h2 [^>]*>(.+?)</h2>", text)


def test_the_page_has_the_same_bytes_again_and_what_ran(finished: Path):
    reported()
    first = (finished / "report" / "index.html").read_bytes()
    assert titles(first.decode()) == SECTIONS
    for part in ("61.2", "test_byobnet, random", "profile sample", "report.overlays", "Code at commit"):
        assert (part in first.decode()) == (part != "Code at commit"), part
    shutil.rmtree("plots")
    reported()
    assert (finished / "report" / "index.html").read_bytes() == first


def test_without_any_label_the_page_has_what_needs_none(finished: Path):
    forget_labels(finished)
    reported()
    text = (finished / "report" / "index.html").read_text()
    assert titles(text) == [title for title in SECTIONS if title != "Scores"]
    assert text.count("no labels, nothing to do") == len(EVALUATED)
    assert "none of them labelled" in text
    assert ">truth<" not in text


@pytest.mark.parametrize("labelled", [True, False])
def test_names_that_the_user_gave_stand_wherever_clusters_are_named(finished: Path, labelled: bool):
    if not labelled:
        forget_labels(finished)
    call_clusters(finished, "<full> moon")
    reported()
    text = (finished / "report" / "index.html").read_text()
    assert text.count("<h3>cluster 1: &lt;full&gt; moon <small>") == 1
    assert text.count("<figcaption>&lt;full&gt; moon</figcaption>") == 2  # label maps
    assert text.count('"name":"cluster 1: \\u003cfull> moon"') == 1  # on the map of embeddings
    assert ("<figcaption>disc</figcaption>" in text) == labelled
