"""Experiments side by side: several at once from the queue, each with its own numbers, in a table people can read."""

import csv
import json
import re
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.clones import ROOT, commit, repro
from tests.small_graph import make, run, start

SCORES = {
    "kmeans.maskcontrast.k6.a.miou_mean",
    "linear.maskcontrast.last.miou_mean",
    "retrieve.maskcontrast.all_classes.miou",
    "finetune.10pct.maskcontrast.miou_mean",
}
# Pretraining waits until the other experiment pretrains too, and its outcome decides every metric of the record.
PRETRAIN = """
import json, os, sys, time
from pathlib import Path
from ruamel.yaml import YAML
params, others = YAML(typ="safe").load(Path("params.yaml"))["pretrain"], Path(os.environ["DVC_ROOT"]) / ".scratch"
others.mkdir(exist_ok=True)
(others / str(params["temperature"])).touch()
deadline = time.monotonic() + 120
while len(list(others.iterdir())) < 2:
    if time.monotonic() > deadline:
        sys.exit("alone")
    time.sleep(0.1)
Path("models").mkdir(exist_ok=True)
Path("models/maskcontrast.pt").write_text(str(params["temperature"] + params["queue"]))
"""
REPORT = """
import json
from pathlib import Path
score = float(Path("models/maskcontrast.pt").read_text())
def moved(value):
    return {k: moved(v) for k, v in value.items()} if isinstance(value, dict) else value + score
Path("metrics/summary.json").write_text(json.dumps(moved(json.loads(Path("start.json").read_text()))))
"""
GRAPH = """
stages:
  pretrain:
    cmd: python pretrain.py
    params: [base.seed, pretrain]
    deps: [pretrain.py]
    outs: [models/maskcontrast.pt]
  report:
    cmd: python report.py
    deps: [report.py, models/maskcontrast.pt, start.json]
    metrics: [metrics/summary.json: {cache: false}]
"""


@pytest.fixture(scope="module")
def dropped() -> re.Pattern[str]:
    """What the names of columns begin with that `make exps` leaves out."""
    found = re.search(r"--drop '(.+?)'", make(ROOT, "--dry-run", "exps"))
    assert found
    return re.compile(found.group(1))


def names(values: dict, prefix: str = "") -> set[str]:
    """Dotted names of all leaves."""
    return {
        name
        for key, value in values.items()
        for name in (names(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [f"{prefix}{key}"])
    }


def test_of_all_metrics_the_table_has_the_headline_scores(dropped: re.Pattern[str]) -> None:
    metrics = names(json.loads((ROOT / "metrics" / "summary.json").read_text()))
    assert len(metrics) > 200
    assert {name for name in metrics if not dropped.match(name)} == SCORES


@pytest.mark.parametrize("profile", ["sample", "voc_subset", "voc", "voc_official_code", "coco", "supervised_saliency"])
def test_the_table_may_have_every_parameter(profile: str, dropped: re.Pattern[str]) -> None:
    values = YAML(typ="safe").load(ROOT / "profiles" / f"{profile}.yaml")
    assert {name for name in names(values) if dropped.match(name)} == set()


def test_no_parameter_shares_its_name_with_a_metric() -> None:
    """DVC would put the file before it, and the table drops what has a slash."""
    values = YAML(typ="safe").load(ROOT / "profiles" / "sample.yaml")
    assert names(values) & names(json.loads((ROOT / "metrics" / "summary.json").read_text())) == set()


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two experiments that could only end because they ran at the same time."""
    files = {
        "dvc.yaml": GRAPH,
        "pretrain.py": PRETRAIN,
        "report.py": REPORT,
        "params.yaml": (ROOT / "profiles" / "sample.yaml").read_text(),
        "start.json": (ROOT / "metrics" / "summary.json").read_text(),
        "metrics/.gitignore": "",
    }
    folder = start(tmp_path_factory.mktemp("swept"), files)
    for others in (".scratch/0.2", ".scratch/alone"):
        (folder / others).parent.mkdir(exist_ok=True)
        (folder / others).touch()
    repro(folder)
    commit(folder, "Run once")
    for others in (folder / ".scratch").iterdir():
        others.unlink()
    run(folder, "dvc", "exp", "run", "--queue", "--name", "sweep", "-S", "pretrain.temperature=0.25,0.5")
    run(folder, "dvc", "queue", "start", "--jobs", "2")
    deadline = time.monotonic() + 240
    while run(folder, "git", "for-each-ref", "refs/exps/*/*/sweep-*").stdout.count("\n") < 2:
        assert time.monotonic() < deadline, run(folder, "dvc", "queue", "status").stdout
        time.sleep(0.5)
    run(folder, "dvc", "queue", "stop")
    return folder


@pytest.mark.slow
def test_experiments_that_ran_at_once_stand_side_by_side(swept: Path) -> None:
    shown = make(swept, "exps", "SHOW=--csv")
    table = {row["Experiment"] or row["rev"]: row for row in csv.DictReader(shown.splitlines())}
    assert set(table["sweep-1"]) == {"Experiment", "State", "rev", "typ", "pretrain.temperature", *SCORES}
    before, first, second = (table[name] for name in ("main", "sweep-1", "sweep-2"))
    assert [row["pretrain.temperature"] for row in (before, first, second)] == ["0.2", "0.25", "0.5"]
    for score in SCORES:
        moved = [float(row[score]) - float(before[score]) for row in (first, second)]
        assert moved == pytest.approx([0.05, 0.3])
