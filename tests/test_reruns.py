"""What DVC finds changed after one edit is what the sources say: their imports, the parameters they read, their paths.

The graph is the sample's, recorded as finished with small files in place of what is computed.
"""

import copy
import functools
import json
import re
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import networkx
import pytest
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
from dvc.utils import strictyaml
from dvc.utils.serialize import _yaml

from tests.dag_edits import GRAPH, SAMPLE, following, importers, readers, with_other
from tests.dag_graph import ROOT
from tests.dag_params import VALUES
from tests.stand_ins import finished_graph

# DVC 3.67 asks its tree of outputs in a way that pygtrie will give up.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")]

MODULES = sorted(path for path, text in GRAPH.sources.items() if text.strip())
# What dvc.yaml builds commands and paths of, or has one stage for each of.
IN_TEMPLATES = set(re.findall(r"\$\{((?!item|key)[\w.]+)\}", (ROOT / "dvc.yaml").read_text()))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repo]:
    """The finished graph, the working directory in it; every test puts back what it edits."""
    with pytest.MonkeyPatch.context() as patch:
        # DVC parses params.yaml anew for every stage, and its own files for every status: most of the time it takes.
        parsed = functools.cache(_yaml.parse_yaml)
        patch.setattr(_yaml, "parse_yaml", parsed)
        patch.setattr(strictyaml, "parse_yaml", lambda *given, **options: copy.deepcopy(parsed(*given, **options)))
        with chdir(folder := tmp_path_factory.mktemp("reruns")), finished_graph(folder, GRAPH) as repo:
            yield repo


@contextmanager
def edited(path: str, text: str) -> Iterator[None]:
    """Another text of a file for the time of the block."""
    before = Path(path).read_text()
    Path(path).write_text(text)
    try:
        yield
    finally:
        Path(path).write_text(before)


def named(repo: Repo) -> set[str]:
    """The stages that `dvc status` names."""
    return set(repo.status())


def test_nothing_is_changed_before_an_edit(finished: Repo) -> None:
    assert named(finished) == set()


@pytest.fixture(scope="module")
def stages_by_module(finished: Repo) -> dict[str, set[str]]:
    """The stages in whose status a module is named, when all have been edited; DVC tells of each by itself."""
    for path in MODULES:
        Path(path).write_text(f"{GRAPH.sources[path]}\n# edited\n")
    status: dict[str, list[dict]] = finished.status()
    for path in MODULES:
        Path(path).write_text(GRAPH.sources[path])
    found: dict[str, set[str]] = {path: set() for path in MODULES}
    for name, changes in status.items():
        for path in changes[0]["changed deps"]:
            found[path].add(name)
    return found


@pytest.mark.parametrize("path", MODULES)
def test_a_module_reruns_the_stages_that_import_it(path: str, stages_by_module: dict[str, set[str]]) -> None:
    assert stages_by_module[path] == importers(path)


@pytest.mark.parametrize("path", ["pipeline/contrast/loss.py", "pipeline/packed.py", "pipeline/unchanged.py"])
def test_a_module_edited_alone_is_no_other_case(path: str, finished: Repo) -> None:
    with edited(path, f"{GRAPH.sources[path]}\n# edited\n"):
        assert named(finished) == importers(path)


@pytest.mark.parametrize("value", sorted(VALUES))
def test_a_parameter_reruns_the_stages_that_read_it(
    value: str, finished: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = with_other(value)
    monkeypatch.setattr("dvc.dependency.param.load_path", lambda *_, **__: content)
    params = [dep for stage in finished.index.stages for dep in stage.deps if isinstance(dep, ParamsDependency)]
    assert len(params) == len(GRAPH.stages)
    assert {dep.stage.name for dep in params if dep.status()} == readers(value)


# Of each section a value that leaves the graph as it is.
OF_SECTIONS = {
    section: min(name for name in VALUES if name.split(".")[0] == section and name not in IN_TEMPLATES)
    for section in set(SAMPLE) - {"sweep", "score_baselines"}
}


@pytest.fixture(scope="module")
def stages_by_section(finished: Repo) -> dict[str, set[str]]:
    """The stages in whose status a section is named, when the file has another value in each."""
    with edited("params.yaml", json.dumps(with_other(*OF_SECTIONS.values()))):
        status: dict[str, list[dict]] = finished.status()
    found: dict[str, set[str]] = {section: set() for section in OF_SECTIONS}
    for name, changes in status.items():
        for value in changes[0]["changed deps"]["params.yaml"]:
            found[value.split(".")[0]].add(name)
    return found


@pytest.mark.parametrize("section", sorted(OF_SECTIONS))
def test_an_edit_of_a_section_of_the_file(section: str, stages_by_section: dict[str, set[str]]) -> None:
    assert stages_by_section[section] == readers(OF_SECTIONS[section])


@pytest.mark.parametrize("section", ["base", "pack_images", "pretrain"])
def test_a_section_edited_alone_is_no_other_case(section: str, finished: Repo) -> None:
    with edited("params.yaml", json.dumps(with_other(OF_SECTIONS[section]))):
        assert named(finished) == readers(OF_SECTIONS[section])


NEW_FINETUNINGS = {"finetune@0.5-0-start", "finetune@0.5-0-maskcontrast"}
NEW_PRIOR = {"compute_priors@hs", "refine_pseudolabels@hs"}
NEW_SET = "  photos: {source: mine, layout: folder, limit: {}, classes: [], other_things: background, on_error: stop}\n"
TEMPLATES = [
    ("sweep.fractions", "fractions: [0.1]", "fractions: [0.1, 0.5]", {"draw_splits", "report"} | NEW_FINETUNINGS),
    ("sweep.fractions", "fractions: [0.1]", "fractions: []", {"draw_splits", "report"}),
    ("sweep.splits", "splits: [0]", "splits: []", {"draw_splits", "report"}),
    ("sweep.inits", "inits: [start, maskcontrast]", "inits: [maskcontrast]", {"report"}),
    ("sweep.priors", "[rbd, mc]", "[rbd]", {"fuse_pseudolabels", "score_saliency", "report"}),
    ("sweep.priors", "[rbd, mc]", "[rbd, mc, hs]", {"fuse_pseudolabels", "score_saliency", "report"} | NEW_PRIOR),
    (
        "base.pretraining_set",
        "pretraining_set: target",
        "pretraining_set: proposal",
        {"predict_saliency", "extract_masks", "pretrain", "score_saliency", "report"},
    ),
    ("pack_images", "pack_images:\n", f"pack_images:\n{NEW_SET}", {"pack_images@photos", "report"}),
    (
        "pack_images",
        "source: sample/benchmark",
        "source: mine",
        {"pack_images@benchmark", "report"},
    ),
    ("fuse_pseudolabels.targets_from", "pseudolabels/refined", "priors/proposal", {"fuse_pseudolabels", "report"}),
    (
        "bundle_predictor.names",
        "names: results/match_clusters",
        "names: data/raw/names.csv",
        {"bundle_predictor", "report"},
    ),
    ("train_basnet.targets_from", "from: pseudolabels/fused", "from: labels/proposal", {"train_basnet", "report"}),
    ("extract_masks.proposal", "proposal: saliency\n", "proposal: images\n", {"extract_masks", "report"}),
    (
        "score_baselines",
        "score_baselines:\n",
        "score_baselines:\n  mine: {backbone: resnet18, weights: '', sha256: ''}\n",
        {"score_baselines@mine", "report"},
    ),
]


@pytest.mark.parametrize(("value", "before", "after", "stages"), TEMPLATES)
def test_a_parameter_that_the_graph_is_built_from(
    value: str, before: str, after: str, stages: set[str], finished: Repo
) -> None:
    text = Path("params.yaml").read_text()
    assert text.count(before) == 1
    with edited("params.yaml", text.replace(before, after)):
        assert named(finished) == stages


def test_every_parameter_that_the_graph_is_built_from_has_its_case() -> None:
    assert {value for value, *_ in TEMPLATES} == IN_TEMPLATES


@pytest.mark.parametrize("name", [stage.name for stage in GRAPH.stages])
def test_what_follows_a_stage_is_given_what_it_makes(name: str, finished: Repo) -> None:
    graph = finished.index.graph
    (stage,) = (each for each in graph if each.name == name)
    assert {each.name for each in networkx.ancestors(graph, stage)} | {name} == following({name})


@pytest.mark.parametrize("path", ["pipeline/masks/cleanup.py", "stages/draw_splits.py"])
def test_a_dry_run_with_force_downstream_lists_also_what_follows(path: str, finished: Repo) -> None:
    with edited(path, f"{GRAPH.sources[path]}\n# edited\n"):
        listed = Repo.reproduce(finished, dry=True, force_downstream=True, run_cache=False)
        assert {stage.name for stage in listed} == following(importers(path))


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("params.yaml", "temperature: 0.2\n", "temperature: 2e-1 # as in the paper\n"),
        ("params.yaml", "learning_rate: 5.0\n", "learning_rate: 5\n"),
        ("params.yaml", "  seed: 0\n  pretraining_set: target\n", "  pretraining_set: target\n  seed: 0\n"),
        ("dvc.yaml", "params: [base.seed, pretrain]", "params: [pretrain, base.seed]"),
        # This one has an effect, and DVC does not see it.
        ("dvc.yaml", "params: [base.seed, pretrain]", "params: [pretrain]"),
    ],
)
def test_edits_that_rerun_nothing(path: str, before: str, after: str, finished: Repo) -> None:
    text = Path(path).read_text()
    assert text.count(before) == 1
    with edited(path, text.replace(before, after)):
        assert named(finished) == set()


def test_a_comment_reruns_unless_it_is_committed(finished: Repo) -> None:
    path = "pipeline/contrast/loss.py"
    with edited("dvc.lock", Path("dvc.lock").read_text()):
        with edited(path, f"# Better explained.\n{GRAPH.sources[path]}"):
            assert named(finished) == {"pretrain"}
            finished.commit(target="pretrain", force=True)
            assert named(finished) == set()
        assert named(finished) == {"pretrain"}
