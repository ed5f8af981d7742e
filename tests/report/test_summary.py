import json
from pathlib import Path

import pytest

from pipeline.params import Sweep
from pipeline.report.summary import finetuning, gather, percent_key

SWEEP = Sweep(priors=["rbd"], fractions=[0.125, 1.0], splits=[0, 1], inits=["start", "maskcontrast"])


def put(folder: Path, summary: dict[str, object]) -> None:
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(summary))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for fraction, base in ((0.125, 10.0), (1.0, 30.0), (0.5, 99.0)):
        for split in (0, 1):
            for init, gain in (("start", 0.0), ("maskcontrast", 5.0)):
                put(tmp_path / "finetune" / f"{fraction}-{split}-{init}", {"miou": base + gain + 2 * split})
    for name in ("proposal", "benchmark", "target"):
        put(tmp_path / "pack_images" / name, {"images": 36, "skipped": len(name)})
    scores = {"mae": 0.123456789, "mean_e": 0.5}  # the second is left to the table of all scores
    put(tmp_path / "score_saliency", {"maps": {"shapes": {"rbd": scores}}, "masks": {"iou": 0.5}})
    put(tmp_path / "extract_masks", {"images": 36, "rejected": 2})
    put(tmp_path / "pretrain", {"loss": 2.0})
    put(tmp_path / "match_clusters", {"maskcontrast": {"21": {"seeds": 5, "a": {"miou_mean": 35.01234}}}})
    put(tmp_path / "retrieve", {"start": {"miou": 20.0}})
    put(tmp_path / "probe_linear", {"start": {"seeds": 3, "last": {"miou_mean": 45.0}}})
    for name in ("saliency", "dropped"):
        put(tmp_path / "score_baselines" / name, {"linear": {"miou_mean": 6.54321}})
    return tmp_path


def test_numbers_are_rounded_and_keys_hold_no_dot(results: Path) -> None:
    summary = gather(results, ["proposal", "benchmark", "target"], SWEEP, ["saliency"], digits=4)
    assert summary["images"]["target"] == {"images": 36, "skipped": 6}
    assert summary["saliency"]["shapes"]["rbd"] == {"mae": 0.1235}
    assert summary["kmeans"]["maskcontrast"] == {"k21": {"seeds": 5, "a": {"miou_mean": 35.01}}}
    assert summary["masks"] == {"images": 36, "rejected": 2, "scored": {"iou": 0.5}}
    assert summary["linear"]["start"] == {"seeds": 3, "last": {"miou_mean": 45.0}}
    assert list(summary["finetune"]) == ["12_5pct", "100pct"]
    assert summary["baselines"] == {"saliency": {"linear": {"miou_mean": 6.543}}}


def test_finetuning_is_the_mean_and_sample_deviation_over_splits(results: Path) -> None:
    table = finetuning(results / "finetune", SWEEP)
    assert table["12_5pct"]["maskcontrast"] == {"miou_mean": 16.0, "miou_std": pytest.approx(2**0.5)}


def test_finetuning_after_a_crf_stands_beside(tmp_path: Path) -> None:
    for split in (0, 1):
        put(tmp_path / f"0.5-{split}-start", {"miou": 10.0, "miou_crf": 12.0 + split})
    sweep = Sweep(priors=["rbd"], fractions=[0.5], splits=[0, 1], inits=["start"])
    assert finetuning(tmp_path, sweep)["50pct"]["start"] == {
        "miou_mean": 10.0, "miou_std": 0.0, "miou_crf_mean": 12.5, "miou_crf_std": pytest.approx(0.5**0.5),
    }  # fmt: skip


def test_items_that_left_the_sweep_leave_no_number(results: Path) -> None:
    assert "50pct" not in finetuning(results / "finetune", SWEEP)


def test_percent_keys() -> None:
    assert [percent_key(f) for f in (0.01, 0.125, 1.0)] == ["1pct", "12_5pct", "100pct"]
