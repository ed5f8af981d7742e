import re
from pathlib import Path

import pytest

from pipeline.params import load
from pipeline.report.page.graph import IDLE, ROW, arcs, edges, essential, read_graph
from tests.dag_graph import ROOT, load_graph
from tests.test_readme import mermaid

SMALL = """
stages:
  pack:
    foreach: ${sets}
    do:
      desc: Pack a set
      cmd: pack
      outs: ["data/${key}.h5"]
  learn:
    matrix: {prior: "${sweep.priors}", seed: "${sweep.seeds}"}
    desc: Learn
    cmd: learn
    deps: [code.py, data/target.h5]
    outs: ["models/${item.prior}/${sweep.name}.pt"]
  score:
    cmd: score
    deps: [models, data/labels/]
    metrics: [{out.json: {cache: false}}]
"""
PARAMS = {"sets": {"target": {}, "more": {}}, "sweep": {"priors": ["rbd", "mc"], "seeds": [0], "name": "net"}}


def test_stages_have_their_items_outputs_and_what_came_of_them(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(SMALL)
    pack, learn, score = read_graph(tmp_path / "dvc.yaml", PARAMS, {"pack": "12 images", "score": IDLE}).steps
    assert pack == ("pack", "target more", "Pack a set", ["data/*.h5"], "12 images", False)
    assert (learn.items, learn.outputs, learn.made) == ("rbd mc, 0", ["models/*/net.pt"], "")
    assert (score.outputs, score.idle) == (["out.json"], True)


@pytest.mark.parametrize(
    ("dep", "linked"), [("data/a.h5", True), ("data", True), ("data/a.h5/in", True), ("data/b.h6", False), ("d", False)]
)
def test_an_edge_is_a_path_the_other_makes_or_one_in_it_or_around_it(dep: str, linked: bool) -> None:
    assert bool(edges({"reads": [dep]}, {"makes": ["data/*.h5"]})) is linked


def test_the_edges_are_those_that_dvc_has() -> None:
    drawn = re.findall(r"(\w+) --> (\w+)", mermaid(load_graph()))
    found = read_edges(load(ROOT / "profiles" / "sample.yaml").model_dump())
    assert sorted(found) == sorted(drawn)
    assert len(found) > 20


def read_edges(params: dict) -> list[tuple[str, str]]:
    graph = read_graph(ROOT / "dvc.yaml", params, {})
    names = [step.name for step in graph.steps]
    spans = re.findall(r"M\d+ (\d+)Q.+?Q\S+ \d+ \d+ (\d+)\"", graph.arcs)
    return [(names[int(a) // ROW], names[int(b) // ROW]) for a, b in spans]


def test_a_longer_way_replaces_a_direct_arrow() -> None:
    assert essential([("a", "b"), ("b", "c"), ("a", "c")]) == [("a", "b"), ("b", "c")]


def test_no_two_arcs_lie_upon_each_other() -> None:
    drawn = arcs("abcd", [("a", "b"), ("a", "c"), ("b", "d"), ("a", "d"), ("c", "d")])
    sides = re.findall(r"Q(\d+) (\d+) \1 \d+V\d+Q\1 (\d+)", drawn)
    rows = [(x, range(int(top) // ROW, int(bottom) // ROW)) for x, top, bottom in sides]
    assert len(rows) == 5
    for i, (x, span) in enumerate(rows):
        assert not any(x == other and set(span) & set(taken) for other, taken in rows[:i])
