import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.report.page import charts
from pipeline.report.page.blocks import Chart, Section, Strip, Table, Tile
from pipeline.report.page.builder import save_page
from pipeline.report.page.clusters import MapPoint
from pipeline.report.page.thumbnails import object_thumbnail, thumbnail

TABLE = Table("A & B", ["name", "value"], [("<b>", "1.0")])


def saved(tmp_path: Path, *blocks: object) -> str:
    save_page(tmp_path / "deep" / "page.html", "Title", "About", [Section("first", "First", "", blocks)])
    return (tmp_path / "deep" / "page.html").read_text()


def test_texts_cannot_become_markup(tmp_path: Path) -> None:
    page = saved(tmp_path, TABLE)
    assert "<td>&lt;b&gt;</td>" in page and "A &amp; B" in page
    assert "<b>" not in page.split("<main>")[1]


def test_names_cannot_end_a_script(tmp_path: Path) -> None:
    point = MapPoint("</script><img src=x>", 0, 0.0, 1.0, "data:,")
    page = saved(tmp_path, charts.embedding_map([point], ["<!--"], [50.0, 50.0]))
    content = re.search(r'<script type="application/json" data-for="first-1">(.*?)</script>', page)
    assert content
    (trace,) = json.loads(content.group(1))["data"]
    assert trace["customdata"] == [["</script><img src=x>", "data:,"]]
    assert trace["name"] == "<!--"


def test_the_script_of_the_charts_stands_in_pages_with_charts_alone(tmp_path: Path) -> None:
    assert "plotly.js" not in saved(tmp_path, TABLE)
    assert "plotly.js" in saved(tmp_path, Chart("c", '{"data":[],"layout":{}}', 100))


def test_a_page_names_no_other_place(tmp_path: Path) -> None:
    page = saved(tmp_path, TABLE, Strip(["image"], [("a", [Tile("data:image/webp;base64,", "cat")])]))
    assert re.findall(r'(?:src|href)="(?!data:|#)([^"]*)', page) == []
    assert "default-src 'none'" in unescape(page)


def figure(chart: Chart) -> dict:
    return json.loads(chart.figure)


def test_confusion_is_shown_by_true_class_in_percent() -> None:
    heat = figure(charts.confusion_map(np.array([[3, 0], [1, 0]]), ["a", "b"]))["data"][0]
    assert heat["z"] == [[75, 25], [0, 0]]


def test_bars_and_curves_are_one_trace_a_group() -> None:
    table = pd.DataFrame([("x", "cat", 1.5), ("y", "cat", 2.5)], columns=["protocol", "class", "iou"])
    assert [(bar["name"], bar["x"]) for bar in figure(charts.class_bars(table))["data"]] == [("x", [1.5]), ("y", [2.5])]
    lines = figure(charts.curves("t", table, "protocol", "class", "iou", log=True))
    assert len(lines["data"]) == 2 and lines["layout"]["yaxis"]["type"] == "log"


def test_pictures_are_small_and_the_same_again() -> None:
    image = np.random.default_rng(0).integers(0, 255, (300, 400, 3)).astype(np.uint8)
    assert thumbnail(image, 64) == thumbnail(image, 64)
    assert len(thumbnail(image, 64)) < 6000
    assert object_thumbnail(image, np.ones((30, 40), dtype=bool), 64) == thumbnail(image, 64)
