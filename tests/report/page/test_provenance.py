import hashlib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import params, profile
from pipeline.report.page.provenance import code_state, flat, inputs_table, parameters_table
from tests.clones import ROOT, commit, git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "pipeline").mkdir()
    for name in ("pipeline/loss.py", "params.yaml", "dvc.lock"):
        (tmp_path / name).write_text("one")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "Start")
    return tmp_path


def test_a_commit_that_records_a_run_leaves_the_state_as_it_is(repository: Path) -> None:
    state = code_state(repository)
    assert len(state) == 10
    assert git(repository, "rev-parse", "HEAD").startswith(state)
    (repository / "dvc.lock").write_text("two")
    assert code_state(repository) == state
    commit(repository, "Record")
    assert code_state(repository) == state


@pytest.mark.parametrize("name", ["pipeline/loss.py", "params.yaml", "pipeline/new.py"])
def test_changed_code_and_parameters_are_said_and_a_commit_of_them_is_named(repository: Path, name: str) -> None:
    state = code_state(repository)
    (repository / name).write_text("two")
    assert code_state(repository) == f"{state} with uncommitted changes"
    commit(repository, "Change")
    assert code_state(repository) != state
    assert git(repository, "rev-parse", "HEAD").startswith(code_state(repository))


def test_outside_of_git_and_without_it_there_is_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert code_state(tmp_path) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_state(tmp_path) == ""


def test_equal_clones_have_commits_of_equal_names(tmp_path: Path) -> None:
    states = []
    for name in ("one", "other"):
        (tmp_path / name / "stages").mkdir(parents=True)
        (tmp_path / name / "stages" / "a.py").write_text("pass")
        git(tmp_path / name, "init", "--quiet")
        commit(tmp_path / name, "Start")
        states.append(code_state(tmp_path / name))
    assert states[0] == states[1] != ""


def test_inputs_stand_with_the_hash_that_dvc_has(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(bytes(2_500_000))
    (row,) = inputs_table([tmp_path / "a.h5"]).rows
    assert row == (str(tmp_path / "a.h5"), "2.50 MB", hashlib.md5(bytes(2_500_000)).hexdigest())


def shown(overlay: str, tmp_path: Path) -> tuple[str, list]:
    (tmp_path / "params.yaml").write_bytes((ROOT / "profiles" / "sample.yaml").read_bytes())
    for source in (ROOT / "profiles" / f"{overlay}.yaml", tmp_path / "own.yaml"):
        if source.exists():
            profile.apply(source, tmp_path / "params.yaml")
    name, table = parameters_table(params.load(tmp_path / "params.yaml").model_dump(), ROOT / "profiles")
    return name, list(table.rows)


@pytest.mark.parametrize("name", ["sample", "voc", "voc_subset", "voc_official_code", "folder"])
def test_a_profile_is_recognised_and_nothing_differs(name: str, tmp_path: Path) -> None:
    assert shown(name, tmp_path) == (name, [])


def test_what_differs_from_the_nearest_profile_is_listed(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("pretrain: {temperature: 0.3}\ncluster: {clusters: [21, 50]}\n")
    name, rows = shown("voc", tmp_path)
    assert name == "voc"
    assert ("pretrain.temperature", "0.5", "0.3") in rows
    assert [row[0] for row in rows] == ["pretrain.temperature", "cluster.clusters"]


def test_nested_values_are_flat_and_tables_of_the_users_own_whole() -> None:
    values = YAML(typ="safe").load("a: {b: {c: 1}, limit: {train: 5}}\nd: {}\n")
    assert flat(values) == {"a.b.c": 1, "a.limit": {"train": 5}, "d": {}}
