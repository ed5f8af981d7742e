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


@pytest.mark.parametrize("overlay", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda path: path.stem)
def test_one_profile_alone_teaches_saliency_by_labels(overlay: Path, tmp_path: Path) -> None:
    for path in ("dvc.yaml", "profiles/sample.yaml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    profile.apply(overlay, tmp_path / "profiles" / "sample.yaml")
    taught = ["train_basnet: reads data/labels/proposal.h5"] if overlay.stem == "supervised_saliency" else []
    assert laws.law_5_labels(load_graph(tmp_path)) == taught
