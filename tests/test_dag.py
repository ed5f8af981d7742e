"""The laws of the graph hold, and each law notices when it is broken.

`python -m tests.test_dag --fix` rewrites the code dependencies in dvc.yaml from the imports.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ConfigDict
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from pipeline import params
from tests import dag_laws as laws
from tests.dag_laws import Graph, load_graph

GRAPH_LAWS: list[Callable[[Graph], list[str]]] = [
    laws.law_1_one_name,
    laws.law_1_params_used,
    laws.law_2_declared_is_used,
    laws.law_3_paths_agree,
    laws.law_4_rooms_apart,
    laws.law_5_labels,
    laws.law_6_cached_outs,
    laws.law_7_whole_files,
]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return load_graph()


@pytest.mark.parametrize("law", GRAPH_LAWS, ids=lambda law: law.__name__)
def test_the_graph_keeps(law: Callable[[Graph], list[str]], graph: Graph) -> None:
    assert law(graph) == []


def test_the_parameters_keep_laws_8_and_9() -> None:
    assert laws.law_8_no_machine_in_params() + laws.law_9_strict_params() == []


def test_stages_stand_in_topological_order(graph: Graph) -> None:
    made: set[str] = set()
    outs = {out for stage in graph.stages for out in stage.outs}
    for stage in graph.stages:
        inside = {out for out in outs for dep in stage.deps if out == dep or out.startswith(f"{dep}/")}
        assert inside <= made, f"{stage.name} reads {inside - made} before it is made"
        made |= stage.outs.keys()


def test_every_stage_has_a_description() -> None:
    stages = YAML(typ="safe").load(laws.ROOT / "dvc.yaml")["stages"]
    assert [name for name, stage in stages.items() if not stage.get("do", stage).get("desc")] == []


def test_stage_files_are_thin(graph: Graph) -> None:
    long = {path: text.count("\n") for path, text in graph.sources.items() if path.startswith("stages/")}
    assert {path: lines for path, lines in long.items() if lines > 60} == {}


def test_law_1_notices_a_stage_without_a_file_and_a_foreign_section(graph: Graph) -> None:
    orphan = replace(graph, stages=(*graph.stages, replace(graph["embed"], name="dream", cmd="python -m stages.dream")))
    assert any("dream: stage, file" in problem for problem in laws.law_1_one_name(orphan))
    foreign = graph.changed("embed", params=("embed", "cluster"))
    assert laws.law_1_one_name(foreign) == ["embed: tracks cluster, which is another stage's"]


def test_law_1_notices_a_section_that_is_read_but_not_tracked(graph: Graph) -> None:
    untracked = graph.changed("pretrain", params=("pretrain",))
    assert laws.law_1_params_used(untracked) == ["pretrain: reads section base, not tracked"]
    idle = graph.changed("embed", params=("embed", "base.seed"))
    assert laws.law_1_params_used(idle) == ["embed: tracks section base, not read"]


def test_law_2_notices_a_new_import_an_idle_dependency_and_another_form_of_command(graph: Graph) -> None:
    source = graph.sources["stages/extract_masks.py"] + "\nfrom pipeline.training import schedules\n"
    assert laws.law_2_declared_is_used(graph.with_source("stages/extract_masks.py", source)) == [
        "extract_masks: lacks dependency pipeline/training/schedules.py"
    ]
    idle = graph.changed("embed", deps=(*graph["embed"].deps, "pipeline/training/schedules.py"))
    assert laws.law_2_declared_is_used(idle) == [
        "embed: declares pipeline/training/schedules.py, which it does not import"
    ]
    script = graph.changed("embed", cmd=graph["embed"].cmd.replace("python -m stages.embed", "python stages/embed.py"))
    assert "embed: cmd is not `python -m stages.NAME`" in laws.law_2_declared_is_used(script)


def test_law_2_notices_imports_inside_functions_and_dynamic_ones(graph: Graph) -> None:
    lazy = graph.sources["stages/embed.py"] + "\ndef later():\n    from pipeline import profile\n"
    assert laws.law_2_declared_is_used(graph.with_source("stages/embed.py", lazy)) == [
        "embed: lacks dependency pipeline/profile.py"
    ]
    dynamic = graph.sources["stages/embed.py"] + "\nimport importlib\n"
    assert laws.law_2_declared_is_used(graph.with_source("stages/embed.py", dynamic)) == [
        "stages/embed.py: imports what no reader of the source can follow"
    ]


def test_law_3_notices_paths_that_disagree(graph: Graph) -> None:
    stray = graph.changed("embed", cmd=graph["embed"].cmd + " data/stray.h5")
    assert laws.law_3_paths_agree(stray) == ["embed: data/stray.h5 in cmd is neither dependency nor output"]
    silent = graph.changed("embed", deps=(*graph["embed"].deps, "data/silent.h5"))
    assert laws.law_3_paths_agree(silent) == ["embed: data/silent.h5 does not stand in cmd"]


@pytest.mark.parametrize(
    ("path", "line", "problem"),
    [
        ("pipeline/masks/loss.py", "from pipeline.contrast import loss", "imports the room contrast"),
        ("pipeline/packed.py", "from pipeline.masks import loss", "imports the room masks"),
        ("pipeline/masks/loss.py", "from stages import embed", "imports stages"),
        ("pipeline/masks/loss.py", "import typer", "imports typer"),
    ],
)
def test_law_4_notices(graph: Graph, path: str, line: str, problem: str) -> None:
    assert f"{path}: {problem}" in laws.law_4_rooms_apart(graph.with_source(path, line))


def test_law_5_notices_a_label_reader(graph: Graph) -> None:
    peeking = graph.changed("cluster", deps=(*graph["cluster"].deps, "data/labels/target.h5"))
    assert laws.law_5_labels(peeking) == ["cluster: reads data/labels/target.h5"]


def test_law_6_notices_an_uncached_output(graph: Graph) -> None:
    loose = graph.changed("pretrain", outs=dict.fromkeys(graph["pretrain"].outs, False))
    assert len(laws.law_6_cached_outs(loose)) == len(graph["pretrain"].outs)


def test_law_7_notices_persisting_outputs_and_files_opened_for_update(graph: Graph) -> None:
    assert laws.law_7_whole_files(graph.changed("pretrain", persists=True)) == ["pretrain: an output persists"]
    for line in ('h5py.File(path, "r+")', 'path.open("a")', 'open(path, mode="a")'):
        changed = graph.with_source("pipeline/packed.py", line)
        assert laws.law_7_whole_files(changed) == ["pipeline/packed.py:1: opens a file for update"]


def test_law_8_notices_a_device(graph: Graph) -> None:
    class Machine(params.Section):
        device: str

    assert laws.law_8_no_machine_in_params(Machine) == ["Machine.device belongs to the environment"]


def test_law_9_notices_a_default_and_an_open_section() -> None:
    class Lax(params.Section):
        model_config = ConfigDict(frozen=True, extra="allow", strict=True)
        rate: float = 0.1

    assert laws.law_9_strict_params(Lax) == ["Lax is not frozen, strict and closed", "Lax.rate has a default"]


def fix(path: Path = laws.ROOT / "dvc.yaml") -> None:
    """Rewrite every stage's code dependencies; data dependencies and comments stay."""
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 118
    yaml.indent(mapping=2, sequence=4, offset=2)
    content, graph = yaml.load(path), load_graph()
    for name, entry in content["stages"].items():
        stage = next(stage for stage in graph.stages if stage.base == name)
        definition = entry.get("do", entry)
        data = [dep for dep in definition.get("deps", []) if not str(dep).endswith(".py")]
        definition["deps"] = CommentedSeq([*data, *sorted(laws.expected_code(stage, graph))])
    yaml.dump(content, path)


if __name__ == "__main__" and sys.argv[1:] == ["--fix"]:
    fix()
