"""The laws of the graph hold, and each law notices when it is broken.

`python -m tests.test_dag --fix` rewrites the code dependencies in dvc.yaml from the imports.
"""

import re
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
from tests.dag_graph import ROOT, Graph, load_graph

GRAPH_LAWS: list[Callable[[Graph], list[str]]] = [
    laws.reading_order,
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


def test_every_stage_has_a_description() -> None:
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    assert [name for name, stage in stages.items() if not stage.get("do", stage).get("desc")] == []


def test_stage_files_are_thin(graph: Graph) -> None:
    long = {path: text.count("\n") for path, text in graph.sources.items() if path.startswith("stages/")}
    assert {path: lines for path, lines in long.items() if lines > 60} == {}


@pytest.mark.parametrize(
    ("last", "problem"),
    [
        ("draw_sample", "pack_images@target: reads data/raw/sample/target, which draw_sample makes only below"),
        ("embed", "cluster: reads data/embeddings/target.h5, which embed makes only below"),
        ("match_clusters", "report: reads results, which match_clusters makes only below"),
    ],
)
def test_the_reading_order_notices_a_stage_at_the_end(graph: Graph, last: str, problem: str) -> None:
    others = tuple(stage for stage in graph.stages if stage.name != last)
    assert problem in laws.reading_order(replace(graph, stages=(*others, graph[last])))


def test_law_1_notices_a_stage_without_a_file_and_a_foreign_section(graph: Graph) -> None:
    orphan = replace(graph, stages=(*graph.stages, replace(graph["embed"], name="dream", cmd="python -m stages.dream")))
    assert any("dream: stage, file" in problem for problem in laws.law_1_one_name(orphan))
    foreign = graph.changed("embed", params=("embed", "cluster"))
    assert laws.law_1_one_name(foreign) == ["embed: tracks cluster, which is another stage's"]
    borrowed = graph.changed("score_baselines@saliency", params=("cluster", "finetune"))
    assert laws.law_1_one_name(borrowed) == ["score_baselines@saliency: tracks finetune, which is another stage's"]


@pytest.mark.parametrize(
    ("name", "tracked", "problems"),
    [
        ("pretrain", "pretrain", ["reads base.seed, not tracked"]),
        ("retrieve", "retrieve base.seed", ["tracks base.seed, not read"]),
        ("draw_splits", "base.seed draw_splits sweep.splits", ["reads sweep.fractions, not tracked"]),
        ("probe_linear", "probe_linear", ["reads pretrain.encoder.output_stride, not tracked"]),
        ("compute_priors@mc", "compute_priors.max_side compute_priors.mc", ["reads compute_priors.remove_frame, not"]),
        ("pack_images@target", "", [f"reads pack_images.target.{key}, not" for key in params.ImageSource.model_fields]),
    ],
)
def test_law_1_notices(graph: Graph, name: str, tracked: str, problems: list[str]) -> None:
    found = laws.law_1_params_used(graph.changed(name, params=tuple(tracked.split())))
    assert len(found) == len(problems)
    assert all(any(problem.startswith(f"{name}: {start}") for problem in found) for start in problems)


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


def test_law_2_exempts_no_module_that_writes_results(graph: Graph) -> None:
    # `os.open` is left to locks, which hold no results.
    writing = {path for path, text in graph.sources.items() if re.search(r"(?<!os)\.open\(|\.write_|\bFile\(", text)}
    assert "pipeline/history.py" in writing
    assert writing & laws.INTERFACE_ONLY == set()


def test_law_2_notices_imports_inside_functions_and_dynamic_ones(graph: Graph) -> None:
    lazy = graph.sources["stages/embed.py"] + "\ndef later():\n    from pipeline import profile\n"
    assert laws.law_2_declared_is_used(graph.with_source("stages/embed.py", lazy)) == [
        "embed: lacks dependency pipeline/profile.py"
    ]
    for line in ("import importlib", "from .cluster import main", "from pipeline.packed import *"):
        dynamic = graph.sources["stages/embed.py"] + f"\n{line}\n"
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
        ("pipeline/packed.py", "from typer import Typer", "imports typer"),
        ("pipeline/packed.py", "def later():\n    import typer.main as command_line", "imports typer"),
        ("pipeline/predict.py", "from stages import embed", "imports stages"),
        ("pipeline/predict.py", "import typer", "imports typer"),
        ("pipeline/contrast/loss.py", "from pipeline.predict import run", "imports the front end pipeline.predict"),
        ("stages/embed.py", "from pipeline import predict", "imports the front end pipeline.predict"),
    ],
)
def test_law_4_notices(graph: Graph, path: str, line: str, problem: str) -> None:
    assert f"{path}: {problem}" in laws.law_4_rooms_apart(graph.with_source(path, line))


@pytest.mark.parametrize(
    ("name", "dep"),
    [
        ("cluster", "data/labels/target.h5"),
        ("cluster", "data/labels/"),
        ("pretrain", "data"),
        ("pretrain", "data/raw/sample"),
        ("train_basnet", "data/raw/sample/target/SegmentationClass"),
        ("extract_masks", "results"),
        ("embed", "results/match_clusters/mapping.csv"),
        ("pack_images@target", "data/labels/benchmark.h5"),
        ("pretrain", "data/label_splits/0.1-0.txt"),
    ],
)
def test_law_5_notices_a_label_reader(graph: Graph, name: str, dep: str) -> None:
    peeking = graph.changed(name, deps=(*graph[name].deps, dep))
    assert laws.law_5_labels(peeking) == [f"{name}: reads {dep}"]


def test_law_6_notices_an_uncached_output(graph: Graph) -> None:
    loose = graph.changed("pretrain", outs=dict.fromkeys(graph["pretrain"].outs, False))
    assert len(laws.law_6_cached_outs(loose)) == len(graph["pretrain"].outs)


def test_law_7_notices_persisting_outputs_and_files_opened_for_update(graph: Graph) -> None:
    assert laws.law_7_whole_files(graph.changed("pretrain", persists=True)) == ["pretrain: an output persists"]
    for line in ('h5py.File(path, "r+")', 'path.open("a")', 'open(path, mode="a")'):
        changed = graph.with_source("pipeline/packed.py", line)
        assert laws.law_7_whole_files(changed) == ["pipeline/packed.py:1: opens a file for update"]


@pytest.mark.parametrize(
    "line",
    [
        'h5py.File(path, "w")',
        'with h5py.File(path, mode="w") as file: pass',
        "torch.save(state, path)",
        'path.open("wb")',
        'open(path, "w")',
        'with replacing(path) as temporary: pass\nopen(temporary, "x")',
    ],
)
def test_law_7_notices_files_written_in_place(graph: Graph, line: str) -> None:
    last = line.count("\n") + 1
    assert laws.law_7_whole_files(graph.with_source("pipeline/packed.py", line)) == [
        f"pipeline/packed.py:{last}: writes outside `replacing`"
    ]
    beside = f"with replacing(path) as temporary:\n    {line.splitlines()[-1]}"
    assert laws.law_7_whole_files(graph.with_source("pipeline/packed.py", beside)) == []


def test_law_8_notices_a_device(graph: Graph) -> None:
    class Machine(params.Section):
        device: str

    class Machines(params.Section):
        named: dict[str, Machine]

    assert laws.law_8_no_machine_in_params(Machine) == ["Machine.device belongs to the environment"]
    assert laws.law_8_no_machine_in_params(Machines) == ["Machine.device belongs to the environment"]


def test_law_9_notices_a_default_and_an_open_section() -> None:
    class Lax(params.Section):
        model_config = ConfigDict(frozen=True, extra="allow", strict=True)
        rate: float = 0.1

        @property
        def half(self) -> float:
            return self.rate / 2

    assert laws.law_9_strict_params(Lax) == [
        "Lax is not frozen, strict and closed",
        "Lax.half is computed, of which DVC does not know",
        "Lax.rate has a default",
    ]


def fix(path: Path = ROOT / "dvc.yaml") -> None:
    """Rewrite every stage's code dependencies, which come last in it; data dependencies and comments stay."""
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 118
    yaml.indent(mapping=2, sequence=4, offset=2)
    content, graph = yaml.load(path), load_graph()
    for name, entry in content["stages"].items():
        stage = next(stage for stage in graph.stages if stage.base == name)
        definition = entry.get("do", entry)
        before = definition["deps"]
        data = [dep for dep in before if not str(dep).endswith(".py")]
        definition["deps"] = after = CommentedSeq([*data, *sorted(laws.expected_code(stage, graph))])
        # The blank line behind the last dependency, a comment to the parser.
        after.ca.items[len(after) - 1] = before.ca.items[len(before) - 1]
    yaml.dump(content, path)


if __name__ == "__main__" and sys.argv[1:] == ["--fix"]:
    fix()
