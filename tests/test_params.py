from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline import params
from pipeline.errors import InputError

COMMITTED = Path(__file__).parents[1] / "params.yaml"


def load_changed(tmp_path: Path, section: str, **changes: Any) -> params.Params:
    """The committed file with keys of one section set, or left out where the value is None."""
    content = YAML(typ="safe").load(COMMITTED)
    content[section] = {key: value for key, value in (content[section] | changes).items() if value is not None}
    path = tmp_path / "params.yaml"
    YAML().dump(content, path)
    return params.load(path)


def test_a_misspelt_key_is_named_with_its_value_and_the_likely_key(tmp_path: Path) -> None:
    message = r"pretrain.temprature \(value 0.5\) is not a known key; did you mean temperature"
    with pytest.raises(InputError, match=message):
        load_changed(tmp_path, "pretrain", temperature=None, temprature=0.5)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="finetune.iterations is missing"):
        load_changed(tmp_path, "finetune", iterations=None)


def test_a_value_out_of_range_is_named_with_its_bound(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="extract_masks.threshold is 1.5; input should be less than or equal to 1"):
        load_changed(tmp_path, "extract_masks", threshold=1.5)


def test_a_number_in_quotes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pretrain.queue is '128'; input should be a valid integer"):
        load_changed(tmp_path, "pretrain", queue="128")


def test_an_unknown_section_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(COMMITTED.read_text().replace("\nreport:\n", "\nreports:\n"))
    with pytest.raises(InputError, match=r"reports .* did you mean report"):
        params.load(path)


def test_contradicting_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train_basnet .*crop \(640\) is larger than size"):
        load_changed(tmp_path, "train_basnet", crop=640)


def test_contradicting_views_are_refused(tmp_path: Path) -> None:
    views = params.load(COMMITTED).pretrain.views.model_dump()
    with pytest.raises(
        InputError, match=r"pretrain.views .*min_foreground \(0.5\) is larger than max_foreground \(0.4"
    ):
        load_changed(tmp_path, "pretrain", views=views | {"min_foreground": 0.5, "max_foreground": 0.4})
    with pytest.raises(InputError, match=r"pretrain.views.moco .*blur_sigma \[2.0, 0.1\] must ascend"):
        load_changed(tmp_path, "pretrain", views=views | {"moco": views["moco"] | {"blur_sigma": [2.0, 0.1]}})


def test_layers_of_hs_that_do_not_agree_are_refused(tmp_path: Path) -> None:
    layers = params.load(COMMITTED).compute_priors.hs.model_dump()
    for changed, problem in (
        ({"confidence": [0.5, 4.0]}, r"3 layers and confidence 2; give each layer"),
        ({"regions": [3, 33, 17]}, r"\[3, 33, 17\] must ascend"),
    ):
        with pytest.raises(InputError, match=r"compute_priors\.hs .*" + problem):
            load_changed(tmp_path, "compute_priors", hs=layers | changed)


def test_a_threshold_of_no_prior_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"refine_pseudolabels\.thresholds\.rdb.* 'rdb'; input should be 'rbd'"):
        load_changed(tmp_path, "refine_pseudolabels", thresholds={"rdb": 0.25})


def test_no_epochs_of_pretraining_need_published_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pretrain .*epochs are 0, which needs the weights of a trained network"):
        load_changed(tmp_path, "pretrain", epochs=0)
    assert load_changed(tmp_path, "pretrain", epochs=0, weights="unsup.pth.tar").pretrain.epochs == 0


def test_pretraining_needs_something_to_learn(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pretrain .*contrastive_weight and saliency_weight are both 0"):
        load_changed(tmp_path, "pretrain", contrastive_weight=0.0, saliency_weight=0.0)


def test_a_threshold_is_a_probability_unless_it_is_a_logit(tmp_path: Path) -> None:
    paper = params.load(COMMITTED).embed.paper.model_dump()
    with pytest.raises(InputError, match=r"embed\.paper .*threshold 1.5 is no probability; .*threshold_on to logit"):
        load_changed(tmp_path, "embed", paper=paper | {"threshold": 1.5})
    as_logit = load_changed(tmp_path, "embed", paper=paper | {"threshold": 1.5, "threshold_on": "logit"}).embed
    assert as_logit.pool.probability == pytest.approx(0.817574, abs=1e-6)


def test_whitened_points_are_not_clustered_by_cosine(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cluster .*whiten and spherical are both true"):
        load_changed(tmp_path, "cluster", whiten=True, spherical=True)


def test_sections_are_frozen() -> None:
    section = params.load(COMMITTED).pretrain
    with pytest.raises(ValueError, match="frozen"):
        section.temperature = 0.1  # type: ignore[misc]


def test_scientific_notation_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(COMMITTED.read_text().replace("weight_decay: 0.0001", "weight_decay: 1e-4"))
    assert "1e-4" in path.read_text()
    assert params.load(path) == params.load(COMMITTED)


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run from the root"):
        params.load(tmp_path / "params.yaml")


def test_a_fraction_without_a_point_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sweep.fractions .*write 1.0 instead of 1"):
        load_changed(tmp_path, "sweep", fractions=[0.1, 1])


@pytest.mark.parametrize(
    "text, problem",
    [
        ("base:\n  seed: 1\n seep: 2\n", r", line 3: (expected <block end>|did not find expected key).*; correct it"),
        ("base:\n  seed: 1\n  seed: 2\n", r', line 3: found duplicate key "seed" with value "2" .+; correct it'),
        ("base: \x01\n", ": unacceptable character .+; correct it"),
        ("", " holds nothing, not keys with values; write them as in"),
        ("# only a comment\n", " holds nothing, not keys"),
        ("- base\n", r" holds \['base'\], not keys"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused_in_one_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"params.yaml{problem}") as refusal:
        params.load(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("proposal", ["png", "raw/", "raw/my masks", "saliency/target.h5", "/raw/a"])
def test_a_proposal_that_is_no_place_below_data_is_refused(tmp_path: Path, proposal: str) -> None:
    with pytest.raises(
        InputError, match=f"extract_masks.proposal is '{proposal}'; .*name saliency, images, or a folder"
    ):
        load_changed(tmp_path, "extract_masks", proposal=proposal)


def test_merged_regions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="merged are the whole image: set components to split"):
        load_changed(tmp_path, "extract_masks", proposal="images", components="merge")


MORE = {
    "source": "coco",
    "layout": "folder",
    "limit": {},
    "classes": [],
    "on_error": "stop",
    "other_things": "background",
    "val_fraction": 0.0,
    "split_seed": 0,
}


@pytest.mark.parametrize(
    ("wanted", "more", "problem"),
    [
        ("coco", {}, "params.yaml: base.pretraining_set is 'coco'; name target, or a set beside the three"),
        ("proposal", {}, "base.pretraining_set is 'proposal'; name target"),
        (
            "target",
            {"coco": MORE},
            "pack_images.coco is read by no stage; name it in base.pretraining_set or remove it",
        ),
        ("coco", {"coco": MORE | {"layout": "tar"}}, "pack_images.coco.layout is 'tar'; input should be"),
        ("coco", {"coco": MORE | {"colour": 1}}, r"pack_images.coco.colour \(value 1\) is not a known key"),
    ],
)
def test_the_set_to_pretrain_on_is_one_that_is_packed(wanted: str, more: dict, problem: str, tmp_path: Path) -> None:
    content = YAML(typ="safe").load(COMMITTED)
    content["base"]["pretraining_set"] = wanted
    content["pack_images"] |= more
    YAML().dump(content, tmp_path / "params.yaml")
    with pytest.raises(InputError, match=problem):
        params.load(tmp_path / "params.yaml")


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


def test_a_misspelt_key_in_a_list_is_named(tmp_path: Path) -> None:
    dsr = params.load(COMMITTED).compute_priors.dsr.model_dump()
    dsr["scales"][0] = {"superpixel": 50, "compactness": 10.0}
    with pytest.raises(InputError, match=r"compute_priors.dsr.scales.0.superpixel .*did you mean superpixels"):
        load_changed(tmp_path, "compute_priors", dsr=dsr)


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
