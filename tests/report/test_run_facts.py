from pathlib import Path

import pytest

from pipeline import params, profile
from pipeline.packed import Packed
from pipeline.report.published import CLASS_IOU
from pipeline.report.run_facts import (
    USUAL,
    DataSet,
    data_set,
    masks_of,
    mechanisms_of,
    pretrained_on,
    run_facts,
    start_of,
)
from tests.clones import ROOT
from tests.profiles import SAMPLE, SAMPLE_FILE, changed

VOC = DataSet("voc", 10582, 1449, 500, list(CLASS_IOU))


@pytest.fixture
def loaded(tmp_path: Path) -> params.Params:
    """The profile voc."""
    return load_profiles(tmp_path, "voc")


def load_profiles(folder: Path, *names: str) -> params.Params:
    path = folder / "params.yaml"
    path.write_bytes(SAMPLE_FILE.read_bytes())
    for name in names:
        profile.apply(ROOT / "profiles" / f"{name}.yaml", path)
    return params.load(path)


@pytest.mark.parametrize(
    ("backbone", "weights", "start"),
    [
        ("resnet50", "data/raw/weights/moco_v2_800ep_pretrain.pth.tar", "moco_v2"),
        ("resnet50.tv_in1k", "data/raw/weights/moco_v2_800ep_pretrain.pth.tar", "moco_v2"),
        ("resnet50", "weights/resnet50-19c8e357.pth", "imagenet"),
        ("resnet50.tv_in1k", "timm", "imagenet"),
        ("resnet50", "timm", ""),  # a later recipe than torchvision's
        ("resnet50", "weights/moco_v2_200ep_pretrain.pth.tar", ""),
        ("resnet18", "weights/moco_v2_800ep_pretrain.pth.tar", ""),
        ("resnet50", "random", ""),
    ],
)
def test_the_start_is_known_by_the_name_of_its_file(backbone: str, weights: str, start: str) -> None:
    assert start_of(changed(SAMPLE.prepare_weights, backbone=backbone, weights=weights)) == start


@pytest.mark.parametrize(
    ("basnet", "masks", "pretrain", "kind"),
    [
        ({}, {}, {}, "unsupervised"),
        ({"targets_from": "labels/proposal"}, {}, {}, "supervised"),
        ({"weights": "basnet.pth"}, {}, {}, "supervised"),
        ({}, {"proposal": "images", "components": "split"}, {}, "regions"),
        ({}, {"proposal": "raw/my_masks"}, {}, ""),
        ({}, {"proposal": "raw/voc/saliency_unsupervised_model"}, {}, "unsupervised"),
        ({}, {"proposal": "raw/voc/saliency_supervised_model"}, {}, "supervised"),
        ({}, {}, {"weights": "VOCSegmentation_unsupervised_saliency_model.pth.tar", "epochs": 0}, "unsupervised"),
        ({}, {}, {"weights": "VOCSegmentation_supervised_saliency_model.pth.tar", "epochs": 0}, "supervised"),
        ({}, {}, {"weights": "exported.safetensors", "epochs": 0}, ""),
        ({}, {}, {"weights": "VOCSegmentation_supervised_saliency_model.pth.tar", "epochs": 3}, ""),
    ],
)
def test_where_masks_come_from(basnet: dict, masks: dict, pretrain: dict, kind: str) -> None:
    sections = (
        changed(SAMPLE.train_basnet, **basnet),
        changed(SAMPLE.extract_masks, **masks),
        changed(SAMPLE.pretrain, **pretrain),
    )
    assert masks_of(*sections) == kind


@pytest.mark.parametrize(
    ("views", "queue", "momentum", "mechanisms"),
    [
        (False, 0, 0.0, "none"),
        (True, 0, 0.0, "views"),
        (True, 128, 0.0, "views, memory"),
        (True, 128, 0.999, "views, memory, momentum"),
        (False, 128, 0.999, "memory, momentum"),
    ],
)
def test_mechanisms(views: bool, queue: int, momentum: float, mechanisms: str) -> None:
    section = changed(SAMPLE.pretrain, augmented_views=views, queue=queue, momentum=momentum)
    assert mechanisms_of(section) == mechanisms


@pytest.mark.parametrize("names", [["voc"], ["voc", "voc_official_code"]])
def test_the_profiles_of_paper_and_code_are_runs_of_the_paper(names: list[str], tmp_path: Path) -> None:
    loaded = load_profiles(tmp_path, *names)
    run = run_facts(VOC, "voc", loaded)
    assert run.facts == {
        "start": "imagenet",
        "masks": "unsupervised",
        "mechanisms": "views, memory, momentum",
        "source": "voc",
        "target": "voc",
        "pretraining": "published",
        "linear": "published",
        "kmeans": "published",
        "retrieve": "published",
        "finetune": "published",
    }
    assert run.unusual == {}


def test_options_of_neither_paper_nor_code_are_named_and_only_their_part_is_not_published(
    loaded: params.Params,
) -> None:
    sections = {
        "pretrain": changed(loaded.pretrain, epochs=5, temperature=0.2),
        "embed": changed(loaded.embed, features="decoder"),
        "finetune": changed(loaded.finetune, iterations=5),  # which the paper leaves open
    }
    run = run_facts(VOC, "voc", loaded.model_copy(update=sections))
    assert run.unusual == {"pretrain.epochs": 5, "pretrain.temperature": 0.2, "embed.features": "decoder"}
    parts = {part: run.facts[part] for part in USUAL}
    published = dict.fromkeys(["linear", "finetune"], "published")
    assert parts == published | {"pretraining": "", "kmeans": "", "retrieve": ""}


@pytest.mark.parametrize(
    ("section", "changes", "part"),
    [
        ("probe_linear", {"epochs": 1}, "linear"),
        ("finetune", {"batch": 4}, "finetune"),
        ("retrieve", {"size": 0}, "retrieve"),
        ("cluster", {"split": "trainaug"}, "kmeans"),
    ],
)
def test_a_protocol_with_values_of_its_own_is_not_published(
    loaded: params.Params, section: str, changes: dict, part: str
) -> None:
    chosen = changed(getattr(loaded, section), **changes)
    run = run_facts(VOC, "voc", loaded.model_copy(update={section: chosen}))
    assert [name for name in USUAL if not run.facts[name]] == [part]
    assert run.unusual == {f"{section}.{name}": value for name, value in changes.items()}


def test_published_weights_were_pretrained_with_published_values(loaded: params.Params) -> None:
    chosen = changed(loaded.pretrain, epochs=0, weights="published.pth.tar", temperature=0.2)
    run = run_facts(VOC, "voc", loaded.model_copy(update={"pretrain": chosen}))
    assert run.facts["pretraining"] == "published"


@pytest.mark.parametrize(
    ("changes", "whole"),
    [
        ({}, "voc"),
        ({"train": 118287, "test": 5000, "side": 640}, "coco"),
        ({"side": 320}, ""),
        ({"train": 1658, "test": 700}, ""),
        ({"classes": ["background", "cat"]}, ""),
    ],
)
def test_a_data_set_is_whole_by_its_images_and_classes(changes: dict, whole: str) -> None:
    assert VOC._replace(**changes).whole == whole


def test_a_data_set_is_named_by_what_it_holds(disc_images: Path) -> None:
    found = data_set("sample/target", Packed(disc_images, "images"), ("train", "val"), ["background", "disc"])
    assert str(found) == "sample/target (8/4 images, 48 px)"
    assert found.whole == ""


def test_another_set_that_was_pretrained_on_is_known_by_its_images() -> None:
    packed = {"photos": {"images": 1281167}, "few": {"images": 100}}
    found = [pretrained_on(name, VOC, packed, SAMPLE.pretrain) for name in ("target", "photos", "few")]
    assert found == ["voc", "imagenet", ""]


@pytest.mark.parametrize(
    ("weights", "epochs", "source"),
    [
        ("VOCSegmentation_supervised_saliency_model.pth.tar", 0, "voc"),
        ("VOCSegmentation_supervised_saliency_model.pth.tar", 3, ""),
        ("exported.safetensors", 0, ""),
    ],
)
def test_published_weights_were_pretrained_on_what_their_name_says(weights: str, epochs: int, source: str) -> None:
    coco = VOC._replace(train=118287, test=5000, side=640)
    section = changed(SAMPLE.pretrain, weights=weights, epochs=epochs)
    assert pretrained_on("target", coco, {}, section) == source
