import math
import re
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import params, profile
from pipeline.derived_params import chosen_pooling, is_unsupervised, threshold_probability
from pipeline.errors import InputError
from pipeline.images.coco import SPLITS
from tests.profiles import over_sample

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "profiles" / "sample.yaml"
PROFILES = sorted((ROOT / "profiles").glob("*.yaml"))
# Put on top of another profile, of which they keep what they do not name.
SUPERVISED, COCO = (ROOT / "profiles" / f"{name}.yaml" for name in ("supervised_saliency", "coco"))
ADDITIONS = [SUPERVISED, COCO]
# Whole but for labels: of a folder of images there are none, and all of them are pretrained on.
FOLDER = ROOT / "profiles" / "folder.yaml"
WHOLE = [path for path in PROFILES if path not in ADDITIONS]


@pytest.fixture
def own_params(tmp_path: Path) -> Path:
    return Path(shutil.copy(SAMPLE, tmp_path / "params.yaml"))


@pytest.mark.parametrize("overlay", PROFILES, ids=lambda path: path.stem)
def test_every_profile_gives_a_valid_file(overlay: Path, own_params: Path) -> None:
    profile.apply(overlay, own_params)
    params.load(own_params)


@pytest.mark.parametrize("first", PROFILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("second", WHOLE, ids=lambda path: path.stem)
def test_what_a_profile_gives_does_not_depend_on_the_one_before(first: Path, second: Path, own_params: Path) -> None:
    own_params.write_text(over_sample(first))
    profile.apply(second, own_params)
    assert own_params.read_text() == over_sample(second)


@pytest.mark.parametrize("whole", WHOLE, ids=lambda path: path.stem)
def test_supervised_saliency_changes_what_basnet_learns_from_and_nothing_else(whole: Path, own_params: Path) -> None:
    profile.apply(whole, own_params)
    changed = set(profile.apply(SUPERVISED, own_params))
    proposal = {f"pack_images.proposal.{key}" for key in ("source", "layout", "limit")}
    assert "train_basnet.targets_from" in changed <= proposal | {"train_basnet.targets_from"}
    assert not is_unsupervised(params.load(own_params).train_basnet)


@pytest.mark.parametrize("whole", [path for path in WHOLE if path != FOLDER], ids=lambda path: path.stem)
def test_coco_changes_the_target_and_nothing_else(whole: Path, own_params: Path) -> None:
    profile.apply(whole, own_params)
    changed = set(profile.apply(COCO, own_params))
    target = {f"pack_images.target.{key}" for key in ("source", "layout", "limit", "classes")}
    assert {"pack_images.target.source", "pack_images.target.layout"} <= changed <= target | {"embed.cells.grid"}
    loaded = params.load(own_params)
    asked = {loaded.pretrain.split, loaded.cluster.split, loaded.retrieve.bank, loaded.retrieve.query}
    asked |= {loaded.probe_linear.train, loaded.probe_linear.test, loaded.draw_splits.train, loaded.finetune.test}
    assert asked <= set(SPLITS)


def test_the_sample_profile_has_every_key(own_params: Path) -> None:
    shutil.copy(ROOT / "params.yaml", own_params)
    profile.apply(SAMPLE, own_params)
    assert params.load(own_params) == params.load(SAMPLE)


def test_a_profile_keeps_comments_and_lists_what_it_changed(own_params: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "hot.yaml"
    before = params.load(own_params).pretrain
    overlay.write_text(f"pretrain: {{temperature: 0.123, queue: {before.queue}}}\n")
    lines = own_params.read_text()
    assert profile.apply(overlay, own_params) == ["pretrain.temperature"]
    assert own_params.read_text() == lines.replace(f"temperature: {before.temperature}", "temperature: 0.123")


@pytest.mark.parametrize(
    "section, changed",
    [
        ("Your own images", "pack_images.target.layout"),
        ("Baselines", "score_baselines"),
        ("Published MaskContrast weights", "pretrain.weights"),
        ("One set to pretrain on, another to evaluate", "base.pretraining_set"),
    ],
)
def test_the_documented_edits_are_valid(section: str, changed: str, own_params: Path, tmp_path: Path) -> None:
    recipe = re.search(rf"## {section}.+?```yaml\n(.+?)```", (ROOT / "docs" / "data.md").read_text(), re.DOTALL)
    overlay = tmp_path / "own.yaml"
    overlay.write_text(recipe.group(1))  # type: ignore[union-attr]
    assert changed in profile.apply(overlay, own_params)


def test_a_set_to_pretrain_on_comes_with_a_profile_and_goes_with_the_next(own_params: Path, tmp_path: Path) -> None:
    before = own_params.read_text()
    overlay = tmp_path / "transfer.yaml"
    more = "{source: photos, layout: folder, limit: {}, classes: [], on_error: stop, other_things: background"
    more += ", val_fraction: 0.0, split_seed: 0}"
    overlay.write_text(f"base: {{pretraining_set: photos}}\npack_images: {{photos: {more}}}\n")
    assert profile.apply(overlay, own_params) == ["base.pretraining_set", "pack_images.photos"]
    assert list(params.load(own_params).pack_images.model_extra or {}) == ["photos"]
    assert profile.apply(SAMPLE, own_params) == ["base.pretraining_set", "pack_images.photos"]
    assert own_params.read_text() == before


@pytest.mark.parametrize("whole", WHOLE, ids=lambda path: path.stem)
def test_every_whole_profile_says_what_it_pretrains_on(whole: Path, own_params: Path) -> None:
    more = {"source": "photos", "layout": "folder", "limit": {}, "classes": [], "on_error": "stop"}
    more |= {"val_fraction": 0.0, "split_seed": 0}
    content = YAML(typ="safe").load(own_params)
    content["pack_images"]["photos"] = more | {"other_things": "background"}
    content["base"]["pretraining_set"], content["pretrain"]["split"] = "photos", "all"
    YAML().dump(content, own_params)
    profile.apply(whole, own_params)
    loaded = params.load(own_params)
    assert (loaded.base.pretraining_set, loaded.pretrain.split) == ("target", "all" if whole == FOLDER else "trainaug")


def test_an_unknown_key_is_refused_and_nothing_is_written(own_params: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "typo.yaml"
    overlay.write_text("pretrain: {queue: 64, temprature: 0.2}\n")
    before = own_params.read_text()
    with pytest.raises(InputError, match=r"pretrain.temprature \(value 0.2\)"):
        profile.apply(overlay, own_params)
    assert own_params.read_text() == before


def test_a_value_out_of_range_is_refused_and_nothing_is_written(own_params: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "wild.yaml"
    overlay.write_text("pretrain: {momentum: 1.5}\n")
    before = own_params.read_text()
    with pytest.raises(InputError, match=r"pretrain.momentum is 1.5; input should be less than 1"):
        profile.apply(overlay, own_params)
    assert own_params.read_text() == before
    assert list(tmp_path.glob("*.tmp")) == []


def test_the_baselines_of_a_profile_are_all_that_there_are(own_params: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "moco.yaml"
    overlay.write_text("score_baselines: {moco_v2: {backbone: resnet50, weights: moco.pth.tar, sha256: beef}}\n")
    assert profile.apply(overlay, own_params) == ["score_baselines"]
    assert list(params.load(own_params).score_baselines) == ["moco_v2"]
    profile.apply(SAMPLE, own_params)
    assert list(params.load(own_params).score_baselines) == ["saliency"]


def test_an_unknown_profile_is_answered_with_the_known_ones(own_params: Path) -> None:
    with pytest.raises(InputError, match="the profiles are coco, folder, sample, supervised_saliency, voc"):
        profile.apply(ROOT / "profiles" / "vox.yaml", own_params)


def test_the_paper_profile_carries_the_settings_of_the_paper(own_params: Path) -> None:
    profile.apply(ROOT / "profiles" / "voc.yaml", own_params)
    loaded = params.load(own_params)
    pretrain = loaded.pretrain
    assert (loaded.prepare_weights.backbone, loaded.prepare_weights.weights) == ("resnet50.tv_in1k", "timm")
    assert (pretrain.views.size, pretrain.batch, pretrain.queue, pretrain.epochs) == (224, 64, 128, 60)
    assert (pretrain.encoder.embedding_dim, pretrain.temperature, pretrain.momentum) == (32, 0.5, 0.999)
    assert pretrain.encoder.atrous_rates == [12, 24, 36]
    assert (pretrain.learning_rate, pretrain.weight_decay) == (0.004, 0.0001)
    pool = chosen_pooling(loaded.embed)
    assert (pool.weight, pool.threshold_on, pool.threshold, pool.normalize_pixels) == (
        "uniform",
        "probability",
        0.5,
        True,
    )
    assert loaded.cluster.clusters == [21, 50, 100, 200, 500]
    sweep, finetune = loaded.sweep, loaded.finetune
    assert sweep.fractions == [0.01, 0.02, 0.05, 0.125, 1.0]
    assert (sweep.splits, sweep.inits) == ([0, 1, 2], ["start", "maskcontrast"])
    assert (finetune.batch, finetune.weight_decay, finetune.small_up_to) == (8, 0.0001, 0.02)
    assert [
        (rates.network, rates.classifier, rates.frozen_batchnorm)
        for rates in (finetune.start, finetune.maskcontrast, finetune.maskcontrast_small)
    ] == [(0.004, 0.004, False), (0.004, 0.004, True), (0.001, 0.1, True)]
    probe = loaded.probe_linear
    assert (probe.epochs, probe.batch, probe.learning_rate, probe.weight_decay) == (60, 16, 0.1, 0.0001)
    assert (probe.views, probe.decay_epochs, probe.standardize, probe.outside) == (60, [40], False, "ignored")


def test_the_profile_of_the_authors_code_differs_where_the_code_does(own_params: Path) -> None:
    profile.apply(ROOT / "profiles" / "voc.yaml", own_params)
    changed = profile.apply(ROOT / "profiles" / "voc_official_code.yaml", own_params)
    views = [f"views.{key}" for key in ("augmentation", "min_foreground", "max_foreground", "max_tries", "transforms")]
    pretrain = [*views, "batch", "epochs", "queue", "negatives", "class_balance", "saliency_balance"]
    assert sorted(changed) == sorted(
        [f"pretrain.{key}" for key in pretrain] + ["embed.pooling", "probe_linear.decay_epochs", "probe_linear.outside"]
    )
    loaded = params.load(own_params)
    assert (loaded.pretrain.batch, loaded.pretrain.queue, loaded.pretrain.epochs) == (128, 256, 40)
    pool = chosen_pooling(loaded.embed)
    assert (pool.weight, pool.threshold_on, pool.threshold, pool.normalize_pixels) == ("logit", "logit", 0.5, False)
    assert threshold_probability(pool) == pytest.approx(1 / (1 + math.exp(-0.5)))


def test_every_parameter_that_the_options_name_exists(own_params: Path) -> None:
    rows = [line for line in (ROOT / "docs" / "options.md").read_text().splitlines() if line.startswith("|")]
    named = {name for row in rows for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", row)}
    assert len(named) > 20
    for name in named:
        section = params.load(own_params)
        for part in name.split("."):
            section = getattr(section, part)


@pytest.mark.parametrize(
    "text, problem",
    [
        ("base: {seed: {a: 1}}\n", r"profile key base.seed is \{'a': 1\} but 0 in params.yaml; give a value"),
        ("base: 3\n", r"odd.yaml merged into .*params.yaml: base is 3; input should be a valid dictionary"),
        ("base: {seed: -1}\n", r"odd.yaml merged into .*params.yaml: base.seed is -1; input should be greater"),
        ("base: {seed: !odd 1}\n", "odd.yaml merged into .*params.yaml, line [0-9]+: could not determine"),
        ("- base\n", r"odd.yaml holds \['base'\], not keys with values"),
        ("", "odd.yaml holds nothing, not keys with values"),
        ("base:\n  seed: 1\n seep: 2\n", "odd.yaml, line 3: expected <block end>"),
        ("base:\n  seed: 1\n  seed: 2\n", 'odd.yaml, line 3: found duplicate key "seed"'),
    ],
)
def test_a_profile_that_does_not_fit_is_named_and_nothing_is_written(
    text: str, problem: str, own_params: Path, tmp_path: Path
) -> None:
    overlay = tmp_path / "odd.yaml"
    overlay.write_text(text)
    before = own_params.read_bytes()
    with pytest.raises(InputError, match=problem) as refusal:
        profile.apply(overlay, own_params)
    assert ".tmp" not in str(refusal.value) and "\n" not in str(refusal.value)
    assert own_params.read_bytes() == before and sorted(tmp_path.iterdir()) == [overlay, own_params]


def test_params_that_cannot_be_read_are_named_and_kept(own_params: Path) -> None:
    own_params.write_text("base: [\n")
    with pytest.raises(InputError, match=r"params.yaml, line 2: .+; correct it"):
        profile.apply(SAMPLE, own_params)
    assert own_params.read_text() == "base: [\n"


def test_a_profile_asked_for_in_another_folder_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="voc.yaml does not exist; run from the root of the repository"):
        profile.apply(tmp_path / "profiles" / "voc.yaml", tmp_path / "params.yaml")
