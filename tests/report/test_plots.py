"""What DVC shows of the plots: every one is there, and a browser without network sees curves and pictures."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import WIDTHS, broken_images, browser, opened, overflow
from tests.clones import ROOT, clone, commit

pytestmark = pytest.mark.slow

CURVES = 6
# Stands for Vega and keeps what the page hands it.
RECORD = "window.specs = {}; window.vegaEmbed = (where, spec) => { specs[where] = spec; };"
# Vega with its plots as SVG, whose marks can be counted.
VEGA = "window.vegaEmbed = (where, spec) => vegaEmbed(where, spec, {renderer: 'svg'});"
MARKS = """(mark) => [...document.querySelectorAll('.vega-embed')].map(
  plot => [...plot.querySelectorAll(`.role-mark.mark-${mark} path`)].filter(path => path.getAttribute('d')).length)"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of `dvc plots show` and of `dvc plots diff` between two commits with other curves and bars."""
    folder = clone(tmp_path_factory.mktemp("plots"))
    for name in ("pretrain.csv", "iou_per_class.csv"):
        header, first, *rows = (folder / "plots" / name).read_text().splitlines()
        (folder / "plots" / name).write_text("\n".join([header, f"{first.rpartition(',')[0]},0.5", *rows]) + "\n")
    commit(folder, "Change two tables")
    made = {}
    for what, revisions in (("show", ()), ("diff", ("HEAD~1", "HEAD"))):
        command = [sys.executable, "-m", "dvc", "plots", what, *revisions, "--out", f"dvc_plots/{what}"]
        shown = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        assert "failed to load" not in shown.stdout + shown.stderr
        made[what] = folder / "dvc_plots" / what / "index.html"
    return made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened_browser:
        yield opened_browser


def test_dvc_shows_every_plot_of_the_graph(pages: dict[str, Path]) -> None:
    page = pages["show"].read_text()
    for part in ("contrastive", "refine rbd", "K-means", "prior_mean", "confusion.png", "overlays.png"):
        assert part in page


@pytest.mark.parametrize(("what", "images"), [("show", 4), ("diff", 8)])
def test_pictures_load_and_nothing_is_cut_off(
    pages: dict[str, Path], chromium: Browser, what: str, images: int
) -> None:
    for width in WIDTHS.values():
        seen = opened(chromium, pages[what], width)
        assert seen.locator("img").count() == images
        assert broken_images(seen) == []
        assert overflow(seen) <= 0
        right = seen.evaluate("Math.max(...[...document.images].map(i => i.getBoundingClientRect().right))")
        assert right <= width
        seen.close()


@pytest.mark.parametrize(("what", "revisions"), [("show", {"workspace"}), ("diff", {"HEAD~1", "HEAD"})])
def test_every_curve_is_handed_its_rows(
    pages: dict[str, Path], chromium: Browser, what: str, revisions: set[str]
) -> None:
    seen = chromium.new_page()
    seen.add_init_script(RECORD)
    seen.goto(pages[what].as_uri())
    specs = seen.evaluate("specs")
    assert len(specs) == CURVES
    for spec in specs.values():
        rows = spec["data"]["values"]
        assert {row["rev"] for row in rows} == revisions
        fields = {channel.get("field") for channel in spec.get("encoding", {}).values()} - {None, "score", "value"}
        assert all(fields <= set(row) for row in rows), fields
    seen.close()


@pytest.mark.parametrize(("what", "sides"), [("show", 1), ("diff", 2)])
def test_curves_are_drawn_by_the_vega_beside_the_page(
    pages: dict[str, Path], chromium: Browser, what: str, sides: int
) -> None:
    vega = pytest.importorskip("vl_convert", reason="needs vl-convert-python, which brings the scripts of Vega")
    script = pages[what].with_name("vega.js")
    script.write_text(vega.javascript_bundle(VEGA))
    seen = opened(chromium, pages[what])
    script.unlink()
    seen.wait_for_function(f"document.querySelectorAll('.vega-embed svg.marks').length == {CURVES}")
    lines, bars = seen.evaluate(MARKS, "line"), seen.evaluate(MARKS, "rect")
    assert [bool(line) != bool(bar) for line, bar in zip(lines, bars, strict=True)] == [True] * CURVES
    for name in ("saliency_losses.csv", "probe_linear.csv"):
        networks = {line.partition(",")[0] for line in (ROOT / "plots" / name).read_text().splitlines()[1:]}
        assert sides * len(networks) in lines
    classes = (ROOT / "plots" / "iou_per_class.csv").read_text().splitlines()[1:]
    assert sides * len(classes) in bars
    for width in WIDTHS.values():
        seen.set_viewport_size({"width": width, "height": 800})
        assert overflow(seen) <= 0
    seen.close()


def test_without_network_and_vega_the_page_says_what_it_lacks(pages: dict[str, Path], chromium: Browser) -> None:
    seen = opened(chromium, pages["show"])
    assert seen.get_by_text("This plot needs a network, or vega.js beside the page.").count() == CURVES
    seen.close()
