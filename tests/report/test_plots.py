import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_dvc_draws_every_plot_of_the_graph(tmp_path: Path):
    command = [sys.executable, "-m", "dvc", "plots", "show", "--out", str(tmp_path / "plots")]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "failed to load" not in shown.stdout + shown.stderr
    page = (tmp_path / "plots" / "index.html").read_text()
    for part in ("contrastive", "refine rbd", "K-means", "prior_mean", "confusion.png", "overlays.png"):
        assert part in page
