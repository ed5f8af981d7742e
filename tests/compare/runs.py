"""A repository with two commits of a run: a graph of two stages that hand out this repository's own figures."""

import json
import shutil
import subprocess
from pathlib import Path

from tests.clones import ROOT, commit, repro

GRAPH = """
stages:
  pretrain:
    cmd: python pretrain.py
    params: [pretrain.temperature]
    deps: [pretrain.py]
    outs: [models/maskcontrast.pt]
  report:
    cmd: python report.py
    params: [report]
    deps: [models/maskcontrast.pt, report.py]
    outs:
      - plots: {cache: false}
    metrics:
      - metrics/summary.json: {cache: false}
"""
PARAMS = "pretrain:\n  temperature: 0.2\n  seeds: [0, 1]\nreport:\n  digits: 4\n"
PRETRAIN = """
from pathlib import Path
from ruamel.yaml import YAML
temperature = YAML(typ="safe").load(Path("params.yaml"))["pretrain"]["temperature"]
Path("models").mkdir(exist_ok=True)
Path("models/maskcontrast.pt").write_text(str(temperature))
"""
# At the temperature of the sample it is the sample's own report; any other adds its distance to every K-means mIoU.
REPORT = """
import json, shutil
from pathlib import Path
from PIL import Image
shutil.copytree("recorded/plots", "plots", dirs_exist_ok=True)
more = float(Path("models/maskcontrast.pt").read_text()) - 0.2
summary = json.loads(Path("recorded/summary.json").read_text())
for run in summary["kmeans"].values():
    for scores in next(iter(run.values())).values():
        if isinstance(scores, dict):
            scores["miou_mean"] = round(scores["miou_mean"] + 10 * more, 4)
Path("metrics").mkdir(exist_ok=True)
Path("metrics/summary.json").write_text(json.dumps(summary))
if more:
    for name in ("overlays", "neighbours"):
        with Image.open(f"plots/{name}.png") as image:
            image.convert("L").save(f"plots/{name}.png")
    rows = Path("plots/iou_per_class.csv").read_text().splitlines()
    first = rows[1].rpartition(",")[0]
    Path("plots/iou_per_class.csv").write_text("\\n".join([rows[0], f"{first},50.25", *rows[2:]]))
"""


def two_runs(folder: Path) -> Path:
    """`folder` as a repository whose tags `cold` and `warm` are finished runs at temperature 0.2 and 0.5."""
    (folder / "recorded").mkdir()
    shutil.copytree(ROOT / "plots", folder / "recorded" / "plots")
    shutil.copy(ROOT / "metrics" / "summary.json", folder / "recorded" / "summary.json")
    for name, text in (("dvc.yaml", GRAPH), ("params.yaml", PARAMS), ("pretrain.py", PRETRAIN), ("report.py", REPORT)):
        (folder / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    (folder / ".dvc").mkdir()
    for name in (".gitignore", "config"):
        shutil.copy(ROOT / ".dvc" / name, folder / ".dvc" / name)
    commit(folder, "Start")
    for tag, temperature in (("cold", 0.2), ("warm", 0.5)):
        (folder / "params.yaml").write_text(PARAMS.replace("0.2", str(temperature)))
        assert "report" in repro(folder)
        commit(folder, f"Run <{tag}> & record")
        subprocess.run(["git", "tag", tag], cwd=folder, check=True)
    return folder


def recorded() -> dict:
    """The metrics that the run at 0.2 hands out."""
    return json.loads((ROOT / "metrics" / "summary.json").read_text())
