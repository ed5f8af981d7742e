from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import params
from pipeline.errors import InputError
from tests.changed_params import COMMITTED, load_changed


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


def test_a_misspelt_key_in_a_list_is_named(tmp_path: Path) -> None:
    dsr = params.load(COMMITTED).compute_priors.dsr.model_dump()
    dsr["scales"][0] = {"superpixel": 50, "compactness": 10.0}
    with pytest.raises(InputError, match=r"compute_priors.dsr.scales.0.superpixel .*did you mean superpixels"):
        load_changed(tmp_path, "compute_priors", dsr=dsr)
