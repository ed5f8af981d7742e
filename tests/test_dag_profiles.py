"""The graph under other parameters than those of the sample."""

import shutil
from pathlib import Path

import pytest

from pipeline import profile
from tests import dag_laws as laws
from tests.dag_graph import ROOT, load_graph, overlap


def test_the_graph_is_the_same_under_any_profile(tmp_path: Path) -> None:
    for path in ("dvc.yaml", "params.yaml", "profiles/sample.yaml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    profile.apply(ROOT / "profiles" / "voc.yaml", tmp_path / "params.yaml")
    assert load_graph(tmp_path).stages == load_graph().stages


@pytest.mark.parametrize(
    ("proposal", "made_by"), [("saliency", {"predict_saliency"}), ("images", set()), ("raw/my_masks", set())]
)
def test_masks_depend_on_their_proposal_alone(tmp_path: Path, proposal: str, made_by: set[str]) -> None:
    (tmp_path / "profiles").mkdir()
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    text = (ROOT / "profiles" / "sample.yaml").read_text().replace("proposal: saliency\n", f"proposal: {proposal}\n")
    (tmp_path / "profiles" / "sample.yaml").write_text(text)
    stage = load_graph(tmp_path)["extract_masks"]
    assert f"data/{proposal}" in stage.deps
    makers = {
        other.base
        for other in load_graph().stages
        for out in other.outs
        if any(overlap(dep, out) for dep in stage.deps)
    }
    assert makers - {"pack_images"} == made_by


@pytest.mark.parametrize(
    ("names", "made_by"), [("results/match_clusters", {"match_clusters"}), ("data/raw/names.csv", set())]
)
def test_names_of_clusters_come_from_the_matching_or_a_table_alone(
    tmp_path: Path, names: str, made_by: set[str]
) -> None:
    (tmp_path / "profiles").mkdir()
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    text = (ROOT / "profiles" / "sample.yaml").read_text().replace("names: results/match_clusters", f"names: {names}")
    (tmp_path / "profiles" / "sample.yaml").write_text(text)
    graph = load_graph(tmp_path)
    stage = graph["bundle_predictor"]
    makers = {
        other.base for other in graph.stages for out in other.outs if any(overlap(dep, out) for dep in stage.deps)
    }
    assert names in stage.deps and makers == {"pretrain", "embed", "cluster", *made_by}
    assert [law(graph) for law in (laws.reading_order, laws.law_3_paths_agree, laws.law_5_labels)] == [[], [], []]


def test_another_set_is_masked_and_pretrained_on_but_not_evaluated(tmp_path: Path) -> None:
    for path in ("dvc.yaml", "profiles/sample.yaml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    more = "{source: photos, layout: folder, limit: {}, classes: [], on_error: stop, other_things: background"
    more += ", val_fraction: 0.0, split_seed: 0}"
    (tmp_path / "own.yaml").write_text(f"base: {{pretraining_set: photos}}\npack_images: {{photos: {more}}}\n")
    profile.apply(tmp_path / "own.yaml", tmp_path / "profiles" / "sample.yaml")
    graph = load_graph(tmp_path)
    readers = {stage.base for stage in graph.stages if any("/photos." in dep for dep in stage.deps)}
    assert "data/images/photos.h5" in graph["pack_images@photos"].outs
    assert readers == {"predict_saliency", "extract_masks", "pretrain", "score_saliency", "report"}
    assert "data/images/target.h5" in graph["embed"].deps and "data/images/target.h5" not in graph["pretrain"].deps
    assert [law(graph) for law in (laws.reading_order, laws.law_3_paths_agree, laws.law_5_labels)] == [[], [], []]


@pytest.mark.parametrize("overlay", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda path: path.stem)
def test_one_profile_alone_teaches_saliency_by_labels(overlay: Path, tmp_path: Path) -> None:
    for path in ("dvc.yaml", "profiles/sample.yaml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    profile.apply(overlay, tmp_path / "profiles" / "sample.yaml")
    taught = ["train_basnet: reads data/labels/proposal.h5"] if overlay.stem == "supervised_saliency" else []
    assert laws.law_5_labels(load_graph(tmp_path)) == taught


def test_the_graph_has_a_stage_for_each_baseline_and_none_without(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    sample = (ROOT / "profiles" / "sample.yaml").read_text()
    listed = "score_baselines:\n  saliency: {backbone: basnet, weights: '', sha256: ''}\n"
    assert listed in sample
    more = (
        "score_baselines:\n  swav: {backbone: resnet50, weights: s.pth, sha256: beef}\n  moco: {backbone: resnet50}\n"
    )
    for instead, names in (("score_baselines: {}\n", []), (more, ["swav", "moco"])):
        (tmp_path / "profiles" / "sample.yaml").write_text(sample.replace(listed, instead))
        stages = load_graph(tmp_path).stages
        assert sorted(s.item for s in stages if s.base == "score_baselines") == sorted(names)
