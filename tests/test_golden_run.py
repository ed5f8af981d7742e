"""The whole graph, end to end, on a tiny sample: what it makes, and what it reruns after each kind of edit."""

import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.clones import apply_tiny, clone, commit, repro

pytestmark = pytest.mark.slow

STAGES = 26
AFTER_PRETRAIN = {
    "embed",
    "cluster",
    "match_clusters",
    "bundle_predictor",
    "retrieve",
    "probe_linear",
    "finetune@1.0-0-maskcontrast",
    "score_baselines@saliency",
    "report",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which the tiny run has finished; the tests below edit it one after the other."""
    folder = clone(tmp_path_factory.mktemp("golden"))
    apply_tiny(folder)
    assert len(repro(folder)) == STAGES
    commit(folder, "Finish the tiny run")
    return folder


def out_hashes(folder: Path) -> dict[str, str]:
    lock = YAML(typ="safe").load(folder / "dvc.lock")
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", [])}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
    path.write_text(text.replace(old, new))


def test_the_metrics_are_complete_and_within_bounds(finished: Path) -> None:
    summary = json.loads((finished / "metrics" / "summary.json").read_text())
    for table in ("maskcontrast", "start", "start_pixels"):
        for protocol in ("a", "a_prime", "b"):
            assert 5 < summary["kmeans"][table]["k6"][protocol]["miou_mean"] < 60
    assert set(summary["retrieve"]["maskcontrast"]) == {"bank", "queries", "all_classes", "two_classes"}
    for network in ("maskcontrast", "start"):
        linear = summary["linear"][network]
        assert set(linear) == {"seeds", "last", "best_on_val"}
        assert 5 < linear["last"]["miou_mean"] < 60
        assert 5 < linear["best_on_val"]["miou_mean"] < 60
    assert 5 < summary["finetune"]["100pct"]["maskcontrast"]["miou_mean"] < 60
    assert 5 < summary["baselines"]["saliency"]["linear"]["last"]["miou_mean"] < 60
    for protocol in ("kmeans_pixels", "kmeans_same_foreground"):
        assert 5 < summary["baselines"]["saliency"][protocol]["k6"]["a"]["miou_mean"] < 60
    # A blank map has an IoU of 0, an all-white one about 0.3.
    assert 0.7 < summary["saliency"]["shapes"]["rbd"]["iou_at_half"] < 1
    assert 0.35 < summary["saliency"]["shapes"]["pseudolabels"]["iou_at_half"] < 1
    assert 0.2 < summary["masks"]["scored"]["iou"] < 1
    assert summary["masks"]["images"] == 36
    assert summary["masks"]["rejected"] < 36
    # A step tells the own prototype from 7 others and 20 of the queue: chance is a loss of log 28 = 3.3.
    assert 1 < summary["pretrain"]["contrastive"] < 3.7


def test_the_plots_are_there(finished: Path) -> None:
    plots = finished / "plots"
    for figure in ("overlays", "neighbours"):
        assert (plots / f"{figure}.png").stat().st_size > 1000
    assert (plots / "pretrain.csv").read_text().startswith("epoch,")
    assert (plots / "probe_linear.csv").read_text().startswith("network,epoch,miou\n")


def test_a_second_run_runs_nothing(finished: Path) -> None:
    assert repro(finished) == set()


def test_a_finetuning_parameter_reruns_finetuning_and_the_report(finished: Path) -> None:
    edit(finished / "params.yaml", "iterations: 6\n", "iterations: 5\n")
    assert repro(finished) == {"finetune@1.0-0-start", "finetune@1.0-0-maskcontrast", "report"}


def test_every_list_of_labelled_images_has_its_length(finished: Path) -> None:
    assert len((finished / "data" / "label_splits" / "1.0-0.txt").read_text().split()) == 24


def test_a_seed_list_reruns_clustering_what_reads_it_and_the_report(finished: Path) -> None:
    edit(finished / "params.yaml", "seeds: [0, 1]", "seeds: [0, 1, 2]")
    assert repro(finished) == {
        "cluster", "match_clusters", "bundle_predictor", "score_baselines@saliency", "report"
    }  # fmt: skip


def test_a_dropped_fraction_leaves_no_numbers_and_reruns_the_report_alone(finished: Path) -> None:
    edit(finished / "params.yaml", "inits: [start, maskcontrast]", "inits: [maskcontrast]")
    assert repro(finished) == {"report"}
    summary = json.loads((finished / "metrics" / "summary.json").read_text())
    assert set(summary["finetune"]["100pct"]) == {"maskcontrast"}
    edit(finished / "params.yaml", "inits: [maskcontrast]", "inits: [start, maskcontrast]")
    assert repro(finished) <= {"report"}


def test_the_same_bytes_come_out_again_after_everything_was_deleted(finished: Path) -> None:
    before = out_hashes(finished)
    for folder in ("data", "models", "results", "plots", "metrics", ".scratch", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(finished / folder, ignore_errors=True)
    (finished / "dvc.lock").unlink()
    assert len(repro(finished)) == STAGES
    assert out_hashes(finished) == before


def test_the_contrastive_loss_reruns_pretraining_and_what_follows(finished: Path) -> None:
    edit(finished / "pipeline" / "contrast" / "loss.py", "torch.log(1.02 + shares)", "torch.log(1.05 + shares)")
    assert repro(finished) == {"pretrain", *AFTER_PRETRAIN}


def test_a_further_fraction_reruns_the_drawing_and_finetunes_on_it_alone(finished: Path) -> None:
    edit(finished / "params.yaml", "fractions: [1.0]", "fractions: [0.5, 1.0]")
    assert repro(finished) == {"draw_splits", "finetune@0.5-0-start", "finetune@0.5-0-maskcontrast", "report"}
