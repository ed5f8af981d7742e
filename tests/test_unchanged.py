"""Edits of what a stage depends on while it runs, under DVC itself and without."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.exceptions import ReproductionError
from dvc.repo import Repo
from ruamel.yaml import YAML

from pipeline import unchanged as guard
from pipeline.errors import InputError
from pipeline.runtime import run_stage
from pipeline.unchanged import tracked, unchanged
from tests.dag_graph import ROOT, closure, imports, load_graph
from tests.dag_laws import INTERFACE_ONLY

# DVC 3.67 asks its tree of outputs in a way that pygtrie will give up.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")

GRAPH = """
stages:
  work:
    foreach: ${work}
    do:
      cmd: python -m stages.work data out/${key}.txt
      params: [base.seed, 'work.${key}']
      deps: [data, stages/helper.py, stages/work.py]
      outs: ['out/${key}.txt']
"""
PARAMS = "base: {seed: 0, set: target}\nwork: {one: {rate: 0.1}, two: {rate: 0.2}}\n"
STAGE = """
import os
from pathlib import Path

from stages.helper import WORD

os.system(os.environ.get("WHILE_LOADING", ""))
from pipeline.runtime import run_stage


def main(data: Path, out: Path) -> None:
    if os.environ.get("RANK", "0") == "0":
        os.system(os.environ.get("WHILE_RUNNING", ""))
        out.parent.mkdir(exist_ok=True)
        out.write_text(WORD)


if __name__ == "__main__":
    run_stage(main)
"""
SENTENCE = (
    "error: {} changed while {} was running, and what it wrote belongs to what was there before; run `dvc repro` "
    "again, or for edits during a run, have it in a copy by `dvc exp run --temp`"
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repo]:
    """A graph whose stage runs the shell commands WHILE_LOADING and WHILE_RUNNING of the environment."""
    for name, text in {
        "dvc.yaml": GRAPH,
        "params.yaml": PARAMS,
        "data/a.txt": "a",
        "stages/__init__.py": (ROOT / "stages" / "__init__.py").read_text(),
        "stages/work.py": STAGE,
        "stages/helper.py": "WORD = 'good'\n",
        "stages/other.py": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    with Repo.init(".", no_scm=True) as repo:
        yield repo


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "edit", "changed"),
    [
        ("RUNNING", "echo '# a comment' >> stages/helper.py", "stages/helper.py"),
        ("RUNNING", "rm stages/helper.py; echo >> stages/work.py", "stages/helper.py and 1 more"),
        ("RUNNING", "echo b > data/a.txt", "data"),
        ("RUNNING", "echo b > data/b.txt", "data"),
        ("RUNNING", "sed -i s/0.1/0.3/ params.yaml", "work.one.rate"),
        ("RUNNING", "sed -i 's/seed: 0/seed: 1/' params.yaml", "base.seed"),
        ("LOADING", "sed -i s/good/bad/ stages/helper.py", "stages/helper.py"),
    ],
)
def test_dvc_records_nothing_of_a_run_with_an_edit(
    project: Repo,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    moment: str,
    edit: str,
    changed: str,
) -> None:
    monkeypatch.setenv(f"WHILE_{moment}", edit)
    with pytest.raises(ReproductionError):
        Repo.reproduce(project, targets="work@one")
    assert SENTENCE.format(changed, "work@one") in capfd.readouterr().err.splitlines()
    assert not Path("dvc.lock").exists()
    assert Path("out/one.txt").exists() == (moment == "RUNNING")
    assert "work@one" in project.status(targets="work@one")


@pytest.mark.slow
def test_the_run_after_one_with_an_edit_is_like_any_other(project: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHILE_RUNNING", "sed -i s/good/better/ stages/helper.py")
    with pytest.raises(ReproductionError):
        Repo.reproduce(project, targets="work@one")
    monkeypatch.delenv("WHILE_RUNNING")
    assert [stage.name for stage in Repo.reproduce(project, targets="work@one")] == ["work@one"]
    assert Path("out/one.txt").read_text() == "better"
    assert project.status(targets="work@one") == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "edit",
    [
        "echo '# not in the graph' >> stages/other.py",
        "sed -i 's/0.2/0.3/; s/set: target/set: photos/' params.yaml",
        "echo '# a comment' >> params.yaml",
        "touch stages/helper.py params.yaml; ls data",
    ],
)
def test_edits_of_other_things_are_free(project: Repo, monkeypatch: pytest.MonkeyPatch, edit: str) -> None:
    monkeypatch.setenv("WHILE_RUNNING", edit)
    Repo.reproduce(project, targets="work@one")
    assert project.status(targets="work@one") == {}


@pytest.mark.slow
def test_the_process_that_started_the_others_tells_of_an_edit(project: Repo) -> None:
    stage = Path("stages/work.py")
    stage.write_text(STAGE.replace("runtime import run_stage", "launch import run_shared_stage as run_stage"))
    given = {"MASKCONTRAST_PROCESSES": "2", "WHILE_RUNNING": "echo >> stages/helper.py", "MASKCONTRAST_DEVICE": "cpu"}
    line = [sys.executable, "-m", "stages.work", "data", "out/one.txt"]
    run = subprocess.run(line, env=os.environ | given, stderr=subprocess.PIPE, text=True, timeout=600)
    assert run.stderr.splitlines() == [SENTENCE.format("stages/helper.py", "work")]
    assert run.returncode == 1


@pytest.mark.parametrize(
    ("environment", "status"),
    [
        ({}, 1),
        ({"WORLD_SIZE": "2", "RANK": "0"}, 1),
        ({"WORLD_SIZE": "2", "RANK": "1"}, 0),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASKCONTRAST_PROCESSES": "2"}, 0),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASKCONTRAST_PROCESSES": "1"}, 1),
    ],
)
def test_of_several_processes_one_watches(
    project: Repo, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], status: int
) -> None:
    def main() -> None:
        Path("stages/helper.py").write_text("")

    monkeypatch.setattr(guard, "SOURCES", guard._sources())
    monkeypatch.setattr("sys.argv", ["stages/work.py"])
    for name in ("WORLD_SIZE", "RANK", "MASKCONTRAST_PROCESSES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stop:
        run_stage(main)
    assert stop.value.code == status


def test_a_stage_started_by_hand_may_write_over_what_is_there(project: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["stages/work.py"])
    monkeypatch.setattr(guard, "SOURCES", guard._sources())
    with unchanged([Path("data/a.txt"), "one"]):
        Path("data/a.txt").write_text("other")


def test_an_unreadable_params_file_is_named(project: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "work@one")
    monkeypatch.setattr(guard, "SOURCES", guard._sources())
    with pytest.raises(InputError, match=r"params.yaml, line 2: .*; correct it"), unchanged([]):
        Path("params.yaml").write_text("base: {seed: 0\nwork: [")


def test_what_is_tracked_is_what_dvc_tracks() -> None:
    graph, written = load_graph(), YAML(typ="safe").load(ROOT / "dvc.yaml")
    found = {stage.name: tracked(stage.name, written) for stage in graph.stages}
    assert {name: each.code for name, each in found.items()} == {stage.name: stage.code for stage in graph.stages}
    assert {name: each.params for name, each in found.items()} == {s.name: list(s.params) for s in graph.stages}
    assert tracked("dream", written).code == set()


def test_no_code_that_dvc_tracks_is_loaded_before_it_is_noted() -> None:
    sources = load_graph().sources
    assert imports(sources["stages/__init__.py"]) == {"os", "pipeline", "pipeline.unchanged"}
    assert closure("pipeline.unchanged", sources) - INTERFACE_ONLY == set()


def test_outputs_are_known_by_their_names_whatever_their_item() -> None:
    graph = YAML(typ="safe").load(ROOT / "dvc.yaml")
    outs = tracked("compute_priors@rbd", graph).outs
    assert outs.fullmatch("data/priors/proposal/rbd.h5")
    assert not outs.fullmatch("data/images/proposal.h5")
    assert tracked("report", graph).outs.fullmatch("metrics/summary.json")
    assert not tracked("no stage", graph).outs.fullmatch("models/start.pt")
