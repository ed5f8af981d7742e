"""The whole graph, end to end, on a tiny sample: what it makes, and what it reruns after each kind of edit."""

import hashlib
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from pipeline.compare import differences, tables
from pipeline.compare.snapshot import take
from pipeline.mask_store import MaskStore
from tests.clones import IDENTITY, apply_tiny, changed_for_git, clone, command, commit, repro
from tests.documented import fences
from tests.kills import draw_kills, processes_in, run_killed, timed_repro

pytestmark = pytest.mark.slow

STAGES = 26
OUTPUTS = ("data", "models", "results", "plots", "metrics", "report")
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
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """A clone in which the tiny run has finished, and the seconds of its stages."""
    folder = clone(tmp_path_factory.mktemp("golden") / "clone")
    apply_tiny(folder)
    commit(folder, "Take the tiny profile")  # the page of the run names it
    seconds = timed_repro(folder)
    assert len(seconds) == STAGES
    commit(folder, "Finish the tiny run")
    return folder, seconds


@pytest.fixture
def finished(first_run: tuple[Path, dict[str, float]]) -> Path:
    """The clone in which the tiny run has finished; the tests below edit it one after the other."""
    return first_run[0]


def contents(folder: Path) -> dict[str, str]:
    """The checksums of dvc.lock and of all files in the folders of outputs, whoever made them."""
    files = [folder / "dvc.lock", *(path for name in OUTPUTS for path in (folder / name).rglob("*") if path.is_file())]
    return {str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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
    assert 4e6 < (finished / "report" / "index.html").stat().st_size < 15e6
    assert (plots / "pretrain.csv").read_text().startswith("epoch,")
    assert (plots / "probe_linear.csv").read_text().startswith("network,epoch,miou\n")


def test_another_project_fetches_and_reads_what_was_made_as_the_docs_show(finished: Path, tmp_path: Path) -> None:
    address, heading = "git@example.org:team/maskcontrast.git", "From another project"
    tag = re.search(r"`git (tag .+?)`", (finished / "docs" / "remotes.md").read_text())
    command(finished, "git", *IDENTITY, *shlex.split(tag.group(1)))  # type: ignore[union-attr]
    for line in "".join(fences("remotes.md", heading)).splitlines():
        command(tmp_path, *shlex.split(line.replace(address, str(finished))))
    masks = finished / "data" / "masks" / "target.h5"
    assert (tmp_path / "masks.h5").read_bytes() == (tmp_path / "masks_v1.h5").read_bytes() == masks.read_bytes()
    assert (tmp_path / "encoder.pt").read_bytes() == (finished / "models" / "maskcontrast.pt").read_bytes()
    mask = MaskStore(masks)[MaskStore(masks).index("target_0001")]
    programs = fences("remotes.md", heading, "python")
    assert len(programs) == 2
    for program in programs:
        shown = f"{program.replace(address, str(finished))}\nprint('found', *mask.shape, mask.sum())"
        height, width = mask.shape
        assert f"found {height} {width} {mask.sum()}\n" in command(tmp_path, "python", "-c", shown)


def test_a_second_run_runs_nothing(finished: Path) -> None:
    assert repro(finished) == set()


def test_a_finetuning_parameter_reruns_finetuning_and_the_report(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finetuned = ["finetune@1.0-0-start", "finetune@1.0-0-maskcontrast"]
    edit(finished / "params.yaml", "iterations: 6\n", "iterations: 5\n")
    monkeypatch.chdir(finished)
    assert take("workspace").stale == [*finetuned, "report"]
    assert repro(finished) == {*finetuned, "report"}
    before, after = take("HEAD"), take("workspace")
    assert (before.stale, after.stale) == ([], [])
    assert tables.parameters(before, after).rows == [("finetune.iterations", "6", "5")]
    assert [change.name for change in differences.stages(before, after)] == [*finetuned, "report"]
    assert all(row[0].startswith("finetune.100pct.") for table in tables.metrics(before, after) for row in table.rows)


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


def test_the_same_bytes_come_out_of_a_run_from_nothing_that_is_killed_twenty_times(
    first_run: tuple[Path, dict[str, float]],
) -> None:
    folder, seconds = first_run
    before, named = contents(folder), changed_for_git(folder)
    for made in (*OUTPUTS, "dvc.lock", ".scratch", ".dvc/cache", ".dvc/tmp"):
        remove(folder / made)
    met = run_killed(folder, draw_kills(list(seconds), count=20, noting=5, seed=6), seconds)
    print("killed:", *met, sep="\n")  # noqa: T201
    # Which of them a stage outran depends on what else the machine does.
    assert min(sum(f" {when} " in each for each in met) for when in ("within", "after")) >= 3
    assert contents(folder) == before
    assert changed_for_git(folder) == named
    assert processes_in(folder) == []
    assert repro(folder) == set()


def test_the_contrastive_loss_reruns_pretraining_and_what_follows(finished: Path) -> None:
    edit(finished / "pipeline" / "contrast" / "loss.py", "torch.log(1.02 + shares)", "torch.log(1.05 + shares)")
    assert repro(finished) == {"pretrain", *AFTER_PRETRAIN}


def test_a_further_fraction_reruns_the_drawing_and_finetunes_on_it_alone(finished: Path) -> None:
    edit(finished / "params.yaml", "fractions: [1.0]", "fractions: [0.5, 1.0]")
    assert repro(finished) == {"draw_splits", "finetune@0.5-0-start", "finetune@0.5-0-maskcontrast", "report"}
