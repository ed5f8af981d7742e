from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.compare import differences, tables
from pipeline.compare.differences import MISSING, Score
from pipeline.compare.markdown import grid, markdown
from pipeline.compare.snapshot import IOU, Snapshot, Stage, flat


def stage(**fields: Any) -> Stage:
    values: dict[str, Any] = {"code": {}, "inputs": {}, "params": {}, "outs": {"data/a.h5": "1"}, "cmd": "run"}
    values |= {"stale": False, **fields}
    return Stage(**values)


def snapshot(name: str = "A", stages: Mapping[str, Stage | None] | None = None, **fields: Any) -> Snapshot:
    values: dict[str, Any] = {"title": "A commit", "params": {}, "metrics": {"loss": 1.0}, "files": {}}
    return Snapshot(name=name, stages=stages or {}, **values | fields)


def test_names_are_those_of_dvc() -> None:
    assert dict(flat({"a": {"b": 1, "c": {"d": [1, 2]}}, "e": 2})) == {"a.b": 1, "a.c.d": [1, 2], "e": 2}


def test_a_value_on_one_side_alone_is_missing_on_the_other() -> None:
    before, after = {"same": 1, "gone": None, "moved": [0, 1]}, {"same": 1, "moved": [0, 1, 2], "new": 0}
    expected = {"moved": ([0, 1], [0, 1, 2]), "new": (MISSING, 0), "gone": (None, MISSING)}
    assert differences.changed(before, after) == expected


def test_a_mean_and_its_spread_are_one_score() -> None:
    metrics = {"k6.miou_mean": 20.0, "k6.miou_std": 0.5, "k6.seeds": 5, "pretrain.embedding_std": 0.4}
    assert differences.scores(metrics) == {
        "k6.miou": Score(20.0, 0.5),
        "k6.seeds": Score(5, None),
        "pretrain.embedding_std": Score(0.4, None),
    }


def test_a_single_run_has_no_spread_to_judge_by() -> None:
    assert differences.scores({"miou_mean": 14.4, "miou_std": 0.0}) == {"miou": Score(14.4, None)}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Score(20.0, 0.5), Score(21.1, 0.5), True),
        (Score(21.1, 0.5), Score(20.0, 0.5), True),
        (Score(20.0, 0.5), Score(20.9, 0.5), False),
        (Score(20.0, None), Score(30.0, 0.5), None),
    ],
)
def test_ranges_that_do_not_touch_are_apart(before: Score, after: Score, expected: bool | None) -> None:
    assert differences.apart(before, after) is expected


def test_a_class_that_was_not_scored_has_no_iou() -> None:
    table = b"protocol,class,iou\nK-means,star,12.5\nlinear,star,\n"
    assert differences.iou(snapshot(files={IOU: table})) == {("K-means", "star"): 12.5}
    assert differences.iou(snapshot()) == {}


def test_a_stage_differs_by_what_its_runs_differ_in() -> None:
    old = stage(code={"a.py": "1", "b.py": "1"}, params={"rate": 1, "seed": 0}, inputs={"in.h5": "1"})
    new = stage(code={"a.py": "2", "b.py": "1"}, params={"rate": 2, "seed": 0}, inputs={"in.h5": "2"}, cmd="walk")
    before = snapshot("A", {"first": old, "same": old, "dropped": old, "waits": None})
    after = snapshot("B", {"first": new, "same": old, "added": new, "waits": None})
    first, added, dropped = differences.stages(before, after)
    assert (first.name, first.code, first.params) == ("first", ["the command", "a.py"], ["rate"])
    assert (first.inputs, first.outs, first.only) == (["in.h5"], [], "")
    assert [(change.name, change.only) for change in (added, dropped)] == [("added", "B"), ("dropped", "A")]
    row, *others = tables.stages(before, after).rows
    assert row == ("first", "the command, a.py", "rate", "in.h5", "the same bytes")
    assert [other[:2] for other in others] == [("added", "only in B"), ("dropped", "only in A")]


def test_what_chooses_the_images_of_a_figure_is_told_when_it_differs() -> None:
    before = snapshot("A", {"pack": stage(outs={"data/images/target.h5": "1"})}, params={"report.overlays": 6})
    after = snapshot("B", {"pack": stage(outs={"data/images/target.h5": "2"})}, params={"report.overlays": 8})
    paths, params = ("data/images/target.h5", "data/labels/target.h5"), ("report", "rep")
    assert differences.differing(before, after, paths, params) == ["data/images/target.h5", "report.overlays"]
    assert differences.differing(before, before, paths, params) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "true"), (None, "null"), (0.0001, "0.0001"), ([0.1, 1], "[0.1, 1]"), ("", '""'), (MISSING, "\N{EN DASH}")],
)
def test_values_read_as_in_params(value: object, shown: str) -> None:
    assert tables.text(value) == shown


def test_only_mious_stand_above_the_other_metrics() -> None:
    before = snapshot(metrics={"a.miou_mean": 20.0, "a.miou_std": 0.5, "mae": 0.1, "b.miou": 12.0, "same": 1})
    after = snapshot("B", metrics={"a.miou_mean": 22.0, "a.miou_std": 0.25, "mae": 0.2, "c.miou": 13.0, "same": 1})
    headline, others = tables.metrics(before, after)
    nothing = tables.NOTHING
    assert headline.rows == [
        ("a.miou", "20 ± 0.5", "22 ± 0.25", "+2", "yes"),
        ("c.miou", nothing, "13", "", ""),
        ("b.miou", "12", nothing, "", ""),
    ]
    assert others.rows == [("mae", "0.1", "0.2", "+0.1", "")]


def test_stages_that_did_not_run_since_an_edit_are_warned_of() -> None:
    stages = {"one": stage(stale=True), "two": stage(), "three": None}
    (sentence,) = tables.warnings(snapshot("A"), snapshot("workspace", stages))
    assert sentence.startswith("The scores of workspace are not those of its parameters and code: one, three did not")


def test_bars_do_not_break_a_table() -> None:
    assert grid(("a", "b"), [("x|y", "1")]).splitlines() == ["| a    | b |", "| ---- | - |", "| x\\|y | 1 |"]


def test_two_equal_sides_have_no_differences() -> None:
    text = markdown(snapshot("A"), snapshot("B"), fold=True)
    assert text.count("No differences.") == 5
    assert "|" not in text
