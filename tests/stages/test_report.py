import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline import profile
from pipeline.cluster_store import Clustering, NamedClusterings, Projection, write_clusters
from pipeline.embedding_store import write_embeddings
from pipeline.history import write_results
from pipeline.images.codecs import encode_png
from pipeline.packed import write_packed
from stages import match_clusters, report, retrieve
from tests.conftest import disc

SUMMARIES = {
    "score_saliency": {"maps": {}, "masks": {"iou": 0.5}},
    "extract_masks": {"images": 12},
    "pretrain": {"loss": 1.5},
    "probe_linear": {"maskcontrast": {"best_on_val": {"miou_mean": 61.25}, "last": {"miou_mean": 60.25}}},
    "score_baselines/saliency": {"linear": {"best_on_val": {"miou_mean": 6.5}}},
    **{f"pack_images/{name}": {"images": 12} for name in ("proposal", "benchmark", "target")},
    **{f"finetune/1.0-0-{init}": {"miou": 30.0} for init in ("start", "maskcontrast")},
}
SCORED = ("probe_linear", "score_baselines", "finetune")
TABLES = {
    "score_saliency/scores": "source,max_f\nrbd,0.123456",
    "score_saliency/gains": "source,max_f\nrbd,0.1",
    "probe_linear/iou_per_class": "init,seed,epoch,class,iou\n"
    "maskcontrast,0,last,background,80\nmaskcontrast,0,last,disc,40",
    "probe_linear/validation": "init,seed,epoch,miou\nmaskcontrast,0,1,50",
    **{f"{name}/log": "epoch,loss\n1,0.5" for name in ("fuse_pseudolabels", "train_basnet", "pretrain")},
    **{f"refine_pseudolabels/{prior}/log": "epoch,loss\n1,0.5" for prior in ("rbd", "mc")},
}


@pytest.fixture
def finished(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which all stages but the report have run: every disc was found, and is its own cluster."""
    (tmp_path / "splits.yaml").write_text("probe_linear: {train: train}\nretrieve: {size: 0, kept_classes: []}\n")
    profile.apply(tmp_path / "splits.yaml", folder / "params.yaml")
    monkeypatch.chdir(folder)
    ids, objects = [f"img_{i:02d}" for i in range(12)], [disc(i).astype(np.uint8) for i in range(12)]
    entries = [(image_id, encode_png(label_map)) for image_id, label_map in zip(ids, objects, strict=True)]
    write_packed(Path("labels.h5"), entries, "labels", metadata={"classes": ["background", "disc"]})
    saliency = [np.pad(255 * each, ((0, 8), (0, 0))) for each in objects]
    table = np.ones((12, 1), dtype=np.float32)
    write_embeddings(Path("e.h5"), ids, saliency, {"maskcontrast": table}, 48, {"threshold": 0.5})
    same = Clustering(np.zeros(4, dtype=np.int32), np.ones((1, 1), dtype=np.float32), 0.0)
    projection = Projection(np.zeros(1, dtype=np.float32), np.ones((1, 1), dtype=np.float32))
    write_clusters(
        Path("c.h5"), ids[8:], {"maskcontrast": NamedClusterings(projection, {2: {0: same}})}, {"split": "val"}
    )
    match_clusters.main(Path("e.h5"), Path("c.h5"), Path("labels.h5"), Path("results/match_clusters"))
    retrieve.main(Path("images.h5"), Path("e.h5"), Path("labels.h5"), Path("results/retrieve"))
    for name, summary in SUMMARIES.items():
        write_results(Path("results") / name, summary)
    for name, text in TABLES.items():
        path = Path("results") / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return folder


SALIENCY_TABLES = {f"saliency_{name}.csv" for name in ("scores", "gains", "losses")}


def reported() -> tuple[dict, set[str]]:
    """The metrics, and the names of the plots."""
    names = ("images.h5", "labels.h5", "masks.h5", "e.h5", "c.h5", "results", "metrics/summary.json", "plots")
    report.main(*map(Path, names))
    return json.loads(Path("metrics/summary.json").read_text()), {path.name for path in Path("plots").iterdir()}


def test_without_any_label_what_needs_none_is_reported(finished: Path):
    write_packed(Path("labels.h5"), [], "labels", metadata={"classes": []})
    for name in ("match_clusters", "retrieve", *(name for name in SUMMARIES if name.startswith(SCORED))):
        shutil.rmtree(finished / "results" / name)
        write_results(finished / "results" / name, {})
    summary, files = reported()
    assert summary["kmeans"] == summary["retrieve"] == summary["linear"] == {}
    assert summary["finetune"] == {"100pct": {"start": {}, "maskcontrast": {}}}
    assert summary["pretrain"] == {"loss": 1.5}
    assert files == {"overlays.png", "pretrain.csv", *SALIENCY_TABLES}


def test_metrics_plots_and_the_papers_tables_are_written(finished: Path):
    summary, files = reported()
    assert summary["baselines"]["saliency"]["linear"]["best_on_val"]["miou_mean"] == 6.5
    csv = {f"{name}.csv" for name in ("pretrain", "probe_linear", "iou_per_class", "paper_tables")}
    figures = {f"{name}.png" for name in ("confusion", "overlays", "neighbours")}
    assert files == csv | figures | SALIENCY_TABLES | {"paper_tables.md"}
    page = (finished / "plots" / "paper_tables.md").read_text()
    assert "sample/target (8/4 images, 48 px)" in page
    assert "| MaskContrast | linear | 61.2 | 60.2 |" in page
    assert "| saliency | linear | 6.5 |" in page
    assert "published" not in page.replace("Published numbers are", "")
    assert (finished / "plots" / "saliency_scores.csv").read_text() == "source,max_f\nrbd,0.1235\n"
