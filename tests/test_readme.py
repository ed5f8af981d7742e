"""The README's picture of the graph and its stage table are those of dvc.yaml.

`python -m tests.test_readme --fix` writes them anew.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

from ruamel.yaml import YAML

from tests.dag_graph import ROOT, Graph, load_graph, overlap

README = ROOT / "README.md"
# What the items are called of a stage that is repeated over the keys of a section.
ITEMS = {"pack_images": "set", "score_baselines": "name"}


def mermaid(graph: Graph) -> str:
    """The graph as a Mermaid flow chart: one node a stage, one arrow where one reads what another makes."""
    maker = {out: stage.base for stage in graph.stages for out in stage.outs}
    edges: dict[tuple[str, str], None] = {}
    for stage in graph.stages:
        for out, source in maker.items():
            if source != stage.base and any(overlap(dep, out) for dep in stage.deps):
                edges[(source, stage.base)] = None
    arrows = [f"    {source} --> {sink}" for source, sink in _essential(list(edges))]
    return "\n".join(["```mermaid", "flowchart LR", *arrows, "```"])


def _essential(edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Edges that no longer path replaces (the transitive reduction), so that the picture stays readable."""
    after: dict[str, set[str]] = defaultdict(set)
    for source, sink in edges:
        after[source].add(sink)

    def reachable(start: str) -> set[str]:
        return after[start].union(*(reachable(step) for step in after[start]))

    return [(a, b) for a, b in edges if not any(b in reachable(step) for step in after[a] - {b})]


def stage_table(root: Path = ROOT) -> str:
    """One row a stage: name with what it is repeated over, description, cached outputs."""
    rows = ["| stage | what it does | makes |", "|---|---|---|"]
    for name, entry in YAML(typ="safe").load(root / "dvc.yaml")["stages"].items():
        definition = entry.get("do", entry)
        axes = ITEMS[name] if "foreach" in entry else ", ".join(entry.get("matrix", {}))
        shown = f"`{name}`" + (f" @ {axes}" if axes else "")
        tidy = {
            "${base.pretraining_set}": "*set*",
            "${key}": f"*{axes}*",
            **{f"${{item.{axis}}}": f"*{axis}*" for axis in entry.get("matrix", {})},
        }
        made = [next(iter(out)) if isinstance(out, dict) else out for out in _made(definition)]
        row = f"| {shown} | {definition['desc']} | {', '.join(f'`{path}`' for path in made)} |"
        for template, word in tidy.items():
            row = row.replace(template, word.strip("*").upper())
        rows.append(row)
    return "\n".join(rows)


def _made(definition: dict) -> list:
    return [*definition.get("outs", []), *definition.get("metrics", []), *definition.get("plots", [])]


def generated() -> dict[str, str]:
    """The generated parts by the name between their markers."""
    return {"graph": mermaid(load_graph()), "stages": stage_table()}


def with_parts(text: str, parts: dict[str, str]) -> str:
    """`text` with each part between `<!-- NAME -->` and `<!-- /NAME -->` replaced."""
    for name, part in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", re.DOTALL)
        assert pattern.search(text), f"README.md has no part {name}"
        text = pattern.sub(lambda found, part=part: found.group(1) + part + found.group(2), text)
    return text


def test_the_readme_is_in_step_with_the_graph() -> None:
    text = README.read_text()
    assert with_parts(text, generated()) == text, "run `make graph`"


def test_the_edit_that_the_readme_shows_changes_one_parameter() -> None:
    old, new = re.search(r"sed -i 's/(.+)/(.+)/' params.yaml", README.read_text()).groups()  # type: ignore[union-attr]
    assert (ROOT / "profiles" / "sample.yaml").read_text().count(old) == 1
    assert old != new


def test_a_longer_path_replaces_a_direct_arrow() -> None:
    assert _essential([("a", "b"), ("b", "c"), ("a", "c")]) == [("a", "b"), ("b", "c")]


if __name__ == "__main__" and sys.argv[1:] == ["--fix"]:
    README.write_text(with_parts(README.read_text(), generated()))
