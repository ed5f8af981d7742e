import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.report.paper_tables import NOT_RUN, look_up, page, paper_tables, save_paper_tables
from pipeline.report.published import CLASS_IOU, published
from pipeline.report.run_facts import USUAL, DataSet, Run

SUBSET = DataSet("voc", 958, 700, 320, list(CLASS_IOU))
FACTS = {
    "start": "imagenet",
    "masks": "supervised",
    "mechanisms": "views, memory, momentum",
    "source": "voc",
    "target": "voc",
    **dict.fromkeys(USUAL, "published"),
}
WHOLE = Run(SUBSET._replace(train=10582, test=1449, side=500), FACTS, {})
PART = Run(SUBSET, FACTS | {"source": "", "target": ""}, {})


def scores(value: float) -> dict[str, float]:
    return {"miou_mean": value, "miou_std": 0.1}


def complete() -> dict[str, Any]:
    """Metrics with every key that is agreed upon; numbers as they might be, different in every place."""
    protocols = {"a": scores(43.0), "a_prime": scores(99), "b": scores(98)}
    many = {f"k{k}": {"seeds": 5, **protocols} for k in (21, 50, 100, 200, 500)}
    probe = {"seeds": 3, "last": scores(62.5), "best_on_val": scores(63.5), "last_crf": scores(65.0)}
    retrieved = {"all_classes": {"miou": 40.0}, "seven_classes": {"miou": 50.0}, "bank": 1464}
    names = ("saliency", "moco_v2", "infomin", "swav", "instance_discrimination", "imagenet")
    baseline = {"linear": probe, "kmeans_pixels": many, "kmeans_same_foreground": many}
    return {
        "kmeans": {"maskcontrast": many, "start": many, "start_pixels": {"k21": {"a": scores(5.0)}}},
        "retrieve": {"maskcontrast": retrieved, "start": retrieved},
        "linear": {"maskcontrast": probe, "start": {"best_on_val": scores(53.0), "last": scores(52.0)}},
        "finetune": {
            key: {"start": scores(70.0), "maskcontrast": scores(71.0)}
            for key in ("1pct", "2pct", "5pct", "12_5pct", "100pct")
        },
        "baselines": dict.fromkeys(names, baseline),
        "iou_per_class": {protocol: dict.fromkeys(CLASS_IOU, 50.0) for protocol in ("linear", "K-means")},
    }


def line(table: pd.DataFrame, *place: str) -> dict[str, Any]:
    """The row of a table, a row and a column."""
    (found,) = [row for row in table.to_dict("records") if (row["table"], row["row"], row["column"]) == place]
    return found


def test_every_key_that_the_tables_ask_for_stands_in_complete_metrics() -> None:
    keys = {source.key for cell in published() for source in cell.sources}
    assert len(keys) > 60
    assert [key for key in keys if look_up(complete(), key) is None] == []


def test_the_rows_of_this_run_have_its_numbers_and_all_others_none() -> None:
    table = paper_tables(complete(), WHOLE)
    row = "ImageNet classifier, supervised saliency"
    assert line(table, "1", row, "linear") == {
        "table": "1",
        "row": row,
        "column": "linear",
        "published": 63.9,
        "ours": 63.5,
        "last_epoch": 62.5,
        "difference": -0.4,
        "within_band": None,
    }
    assert line(table, "3", "ImageNet classifier", "K-means")["ours"] == 5.0
    assert line(table, "6", "ImageNet classifier, supervised saliency", "12.5 %")["difference"] == 1.6
    assert line(table, "5", "pretrained on PASCAL", "on PASCAL")["ours"] is None  # that one starts from MoCo v2
    others = [cell for cell in table.to_dict("records") if "unsupervised" in cell["row"]]
    assert len(others) > 15 and all(cell["ours"] is None for cell in others)


@pytest.mark.parametrize(("ours", "within"), [(44.2, True), (41.4, True), (47.0, True), (41.3, False), (47.1, False)])
def test_kmeans_lies_within_two_standard_deviations_or_not(ours: float, within: bool) -> None:
    metrics = complete()
    metrics["kmeans"]["maskcontrast"]["k21"]["a"]["miou_mean"] = ours
    table = paper_tables(metrics, WHOLE)
    assert line(table, "3", "ImageNet classifier, supervised saliency", "K-means")["within_band"] is within
    assert line(table, "3", "ImageNet classifier", "K-means")["within_band"] is None


def test_another_start_fills_its_own_rows() -> None:
    moco = Run(WHOLE.data, FACTS | {"start": "moco_v2", "masks": "unsupervised"}, {})
    table = paper_tables(complete(), moco)
    assert line(table, "2a", "unsupervised saliency", "linear")["ours"] == 63.5
    assert line(table, "2b", "views, memory, momentum", "linear")["ours"] == 63.5
    assert line(table, "2b", "views", "linear")["ours"] is None
    assert line(table, "retrieval", "MoCo v2, unsupervised saliency", "7 classes")["difference"] == -3.4
    assert line(table, "3", "ImageNet classifier, supervised saliency", "linear")["ours"] is None
    # The starting weights, and a baseline of the name where the start is another network.
    assert line(table, "3", "MoCo v2", "linear")["ours"] == 53.0
    assert line(table, "3", "ImageNet classifier", "linear")["ours"] == 63.5


def test_fewer_mechanisms_fill_their_row_of_table_2b_alone() -> None:
    facts = FACTS | {"start": "moco_v2", "masks": "unsupervised", "mechanisms": "views"}
    table = paper_tables(complete(), Run(WHOLE.data, facts, {}))
    assert line(table, "2b", "views", "linear")["ours"] == 63.5
    assert line(table, "1", "MoCo v2, unsupervised saliency", "linear")["ours"] is None


def test_the_linear_probe_of_swav_is_never_taken_for_the_published_one() -> None:
    table = paper_tables(complete(), WHOLE)
    assert line(table, "3", "SwAV", "linear")["ours"] is None
    assert line(table, "3", "SwAV", "K-means")["ours"] == 43.0
    assert line(table, "3", "InfoMin", "linear")["ours"] == 63.5


def test_a_missing_number_is_not_run_and_says_so() -> None:
    metrics = complete()
    del metrics["baselines"]["swav"], metrics["kmeans"]["maskcontrast"]["k500"], metrics["linear"]["maskcontrast"]
    table = paper_tables(metrics, WHOLE)
    text = page(table, WHOLE)
    assert line(table, "3", "SwAV", "K-means")["ours"] is None
    assert f"| SwAV | K-means | 4.4 | {NOT_RUN} |" in text
    assert f"| ImageNet classifier, supervised saliency | K = 500 | 57.0 | {NOT_RUN} |" in text
    assert "| ImageNet classifier, supervised saliency | K = 200 | 53.6 | 43.0 | -10.6 | no |" in text
    assert line(table, "1", "ImageNet classifier, supervised saliency", "linear")["last_epoch"] is None
    assert paper_tables({}, WHOLE)["ours"].tolist() == [None] * len(published())


def test_on_a_part_of_the_set_no_published_number_stands_anywhere() -> None:
    table = paper_tables(complete(), PART)
    assert table.columns.tolist() == ["table", "row", "column", "ours", "last_epoch"]
    assert line(table, "3", "MaskContrast", "K-means")["ours"] == 43.0
    assert line(table, "3", "swav", "linear")["last_epoch"] == 62.5
    assert line(table, "6", "starting weights", "1 %")["ours"] == 70.0
    text = page(table, PART)
    assert "voc (958/700 images, 320 px)" in text
    published_texts = {f"{cell.value:.1f}" for cell in published()}
    assert published_texts & set(text.replace("|", " ").split()) <= {"50.0", "70.0", "43.0"}


def test_the_classes_of_another_set_decide_k() -> None:
    metrics = complete()
    metrics["kmeans"]["maskcontrast"]["k6"] = {"a": scores(20.7)}
    sample = Run(DataSet("sample/target", 240, 80, 128, ["background", *"abcde"]), PART.facts, {})
    table = paper_tables(metrics, sample)
    assert line(table, "3", "MaskContrast", "K-means")["ours"] == 20.7
    assert line(table, "retrieval", "MaskContrast", "6 classes")["ours"] == 40.0


def filled(table: pd.DataFrame) -> set[tuple[str, str]]:
    """Rows and columns of Tables 1, 3 and 4 that have a number of this run."""
    rows = table.dropna(subset="ours").to_dict("records")
    return {(row["row"], row["column"]) for row in rows if row["table"] in "134"}


def test_pretraining_with_odd_options_is_named_and_fills_no_row_of_maskcontrast() -> None:
    odd = Run(WHOLE.data, FACTS | {"pretraining": ""}, {"pretrain.epochs": 5})
    table = paper_tables(complete(), odd)
    assert "which neither the paper nor the code has: `pretrain.epochs` 5." in page(table, odd)
    assert ("ImageNet classifier", "linear") in filled(table)
    assert {row for row, _ in filled(table) if "saliency" in row} == {"saliency features only"}


def test_a_protocol_with_odd_options_fills_no_row_of_its_own() -> None:
    odd = Run(WHOLE.data, FACTS | {"linear": ""}, {"probe_linear.epochs": 1})
    before, after = (filled(paper_tables(complete(), run)) for run in (WHOLE, odd))
    assert after == {(row, column) for row, column in before if column != "linear"}
    assert len(after) < len(before)


def test_both_files_are_written(tmp_path: Path) -> None:
    iou = pd.DataFrame([("linear", "cat", 80.0), ("K-means", "cat", 45.5)], columns=["protocol", "class", "iou"])
    metrics = json.loads(json.dumps({name: value for name, value in complete().items() if name != "iou_per_class"}))
    save_paper_tables(metrics, iou, WHOLE, tmp_path)
    text = (tmp_path / "paper_tables.md").read_text()
    assert "two standard deviations" in text
    assert "| cat | linear | 79.1 | 80.0 | +0.9 |" in text
    table = pd.read_csv(tmp_path / "paper_tables.csv")
    assert len(table) == len(published())
    assert len(table.dropna(subset="ours")) > 20
