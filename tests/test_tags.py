"""Two profiles under tags on a short graph: docs/profiles.md leads from one to the other, with artifacts, and back."""

import re
import shutil
from pathlib import Path

import pytest

from pipeline import profile
from tests.clones import ROOT, commit
from tests.documented import fences
from tests.jobs import call, name_remote

TAGS = ("sample-v1", "voc_subset-v1")
# As in the real graph, a stage is repeated over a list that the profiles differ in, and the last reads a whole folder.
GRAPH = """
stages:
  pretrain:
    cmd: mkdir -p models && cp params.yaml models/maskcontrast.pt
    params: [pretrain]
    outs: [models/maskcontrast.pt]
  finetune:
    matrix:
      fraction: ${sweep.fractions}
    cmd: mkdir -p results/finetune && cat models/maskcontrast.pt > results/finetune/${item.fraction}.txt
    deps: [models/maskcontrast.pt]
    outs: ["results/finetune/${item.fraction}.txt"]
  report:
    cmd: mkdir -p metrics && ls results/finetune > metrics/summary.json
    params: [sweep]
    deps: [results]
    metrics:
      - metrics/summary.json:
          cache: false
"""


def run(folder: Path, *command: str) -> str:
    done = call(folder, *command)
    assert done.returncode == 0, done.stdout
    return done.stdout


def outputs(folder: Path) -> dict[str, bytes]:
    paths = [path for part in ("models", "results", "metrics") for path in (folder / part).rglob("*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.is_file()}


def go_to(tag: str, folder: Path) -> None:
    """Run the lines that the documentation gives."""
    to_tag, to_artifacts = fences("profiles.md", "States under tags")[0].splitlines()
    run(folder, *to_tag.replace(TAGS[1], tag).split())
    run(folder, *to_artifacts.split())


@pytest.mark.slow
def test_a_tag_brings_its_artifacts_and_so_does_the_other(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copy(ROOT / "profiles" / "sample.yaml", tmp_path / "params.yaml")
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / ".gitignore").write_text("/models/\n/results/\n/remote/\n")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / ".gitignore").write_text("/tmp\n/cache\n")
    name_remote(tmp_path, tmp_path / "remote")
    run(tmp_path, "git", "init", "--quiet")
    recorded = {}
    for tag in TAGS:
        profile.apply(tmp_path / "profiles" / f"{tag.removesuffix('-v1')}.yaml", tmp_path / "params.yaml")
        run(tmp_path, "dvc", "repro")
        commit(tmp_path, f"Record {tag}")
        run(tmp_path, "git", "tag", tag)
        recorded[tag] = outputs(tmp_path)
    assert recorded[TAGS[0]].keys() < recorded[TAGS[1]].keys()
    for tag in TAGS:
        go_to(tag, tmp_path)
        assert outputs(tmp_path) == recorded[tag]
        assert "Data and pipelines are up to date." in run(tmp_path, "dvc", "status")
        assert run(tmp_path, "git", "status", "--porcelain") == ""
    differing = run(tmp_path, "dvc", "params", "diff", *TAGS)
    assert re.search(r"pretrain\.temperature +0\.2 +0\.5", differing)
    assert "pretrain.saliency_balance" not in differing
