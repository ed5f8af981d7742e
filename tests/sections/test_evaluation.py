from pathlib import Path

import pytest

from pipeline import params
from pipeline.derived_params import threshold_probability
from pipeline.errors import InputError
from tests.changed_params import COMMITTED, load_changed


def test_a_threshold_is_a_probability_unless_it_is_a_logit(tmp_path: Path) -> None:
    paper = params.load(COMMITTED).embed.paper.model_dump()
    with pytest.raises(InputError, match=r"embed\.paper .*threshold 1.5 is no probability; .*threshold_on to logit"):
        load_changed(tmp_path, "embed", paper=paper | {"threshold": 1.5})
    as_logit = load_changed(tmp_path, "embed", paper=paper | {"threshold": 1.5, "threshold_on": "logit"}).embed
    assert threshold_probability(as_logit.paper) == pytest.approx(0.817574, abs=1e-6)


def test_whitened_points_are_not_clustered_by_cosine(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cluster .*whiten and spherical are both true"):
        load_changed(tmp_path, "cluster", whiten=True, spherical=True)


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        (
            "moco",
            {"weights": ""},
            "score_baselines.moco .*weights of resnet50 are '': leave them empty for basnet alone",
        ),
        ("moco", {"backbone": "basnet"}, "score_baselines.moco .*weights of basnet are 'moco.pth'"),
        (
            "moco",
            {"wheights": "a"},
            r"score_baselines.moco.wheights \(value 'a'\) is not a known key; did you mean weights",
        ),
        ("moco.v2", {}, "score_baselines.moco.v2.* string should match pattern"),
    ],
)
def test_a_baseline_that_cannot_be_scored_is_refused(
    tmp_path: Path, name: str, changes: dict[str, str], problem: str
) -> None:
    baseline = {"backbone": "resnet50", "weights": "moco.pth", "sha256": "beef"} | changes
    with pytest.raises(InputError, match=problem):
        load_changed(tmp_path, "score_baselines", **{name: baseline})


def test_a_protocols_key_names_its_rule_and_others_may_stand_beside_it(tmp_path: Path) -> None:
    rule = {"size": 100, "one_to_one": "pixels", "many_to_one": "iou"}
    with pytest.raises(InputError, match=r"match_clusters is .*a is published as \{'size': 0, .*a name of its own"):
        load_changed(tmp_path, "match_clusters", a=rule)
    assert list(dict(load_changed(tmp_path, "match_clusters", mine=rule).match_clusters)) == [
        "a",
        "a_prime",
        "b",
        "mine",
    ]
    with pytest.raises(
        InputError, match=r"match_clusters.mine.seize \(value 1\) is not a known key; did you mean size"
    ):
        load_changed(tmp_path, "match_clusters", mine=rule | {"seize": 1})


def test_negative_weights_are_refused(tmp_path: Path) -> None:
    pooling = {"weight": "logit", "threshold_on": "probability", "threshold": 0.3, "normalize_pixels": True}
    with pytest.raises(InputError, match="weight is logit, negative for pixels below 0.5"):
        load_changed(tmp_path, "embed", paper=pooling)


def test_no_baseline_is_as_good_as_several(tmp_path: Path) -> None:
    assert load_changed(tmp_path, "score_baselines", saliency=None).score_baselines == {}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"clusters": 7}, "bundle_predictor.clusters is 7, which is none of 6; choose one of these"),
        ({"seed": 9}, "bundle_predictor.seed is 9, which is none of 0, 1, 2, 3, 4; choose"),
        ({"protocol": "c"}, "bundle_predictor.protocol is 'c', which is none of a, a_prime, b; choose"),
        ({"names": "/home/me/names.csv"}, "bundle_predictor.names is '/home/me/names.csv'; string should match"),
        ({"names": "data/raw/names.txt"}, "bundle_predictor.names is 'data/raw/names.txt'; string should match"),
        ({"clusters": 500}, "bundle_predictor.clusters is 500; input should be less than or equal to 255"),
    ],
)
def test_the_predictor_takes_a_clustering_that_is_made(changes: dict, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        load_changed(tmp_path, "bundle_predictor", **changes)
