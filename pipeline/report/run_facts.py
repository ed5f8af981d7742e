"""What a run is in the terms of the paper's tables, read from its parameters and its images.

- `start`: `moco_v2` or `imagenet` (the supervised classifier of torchvision, first version), of a ResNet-50;
- `masks`: from `unsupervised` or `supervised` saliency, or `regions` of a hierarchical segmentation;
- `mechanisms`: those of Table 2b that pretraining used;
- `source` and `target`: the data set pretrained on and the one evaluated, `voc`, `coco` or for the first `imagenet`,
  only where it is whole.

A fact is empty where the paper has no such run. Weights are known by the name that their publisher gave the file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.packed import Packed
from pipeline.params import ExtractMasks, PrepareWeights, Pretrain, TrainBasnet
from pipeline.report.published import CLASS_IOU

PUBLISHED_WEIGHTS = {"moco_v2_800ep": "moco_v2", "resnet50-19c8e357": "imagenet", "resnet50-0676ba61": "imagenet"}
# timm's name of the same classifier.
TIMM_IMAGENET = "resnet50.tv_in1k"
# Images of trainaug and val of PASCAL VOC, of train and val of COCO 2017.
WHOLE = {(10582, 1449): "voc", (118287, 5000): "coco"}
# The paper's and the code's value of what pretraining learns with; Table 2b leaves queue and momentum out, with 0.
USUAL = {
    "batch": (64, 128),
    "epochs": (60, 40),
    "queue": (128, 256, 0),
    "learning_rate": (0.004,),
    "weight_decay": (0.0001,),
    "temperature": (0.5,),
    "momentum": (0.999, 0.0),
    "contrastive_weight": (1.0,),
    "saliency_weight": (1.0,),
}


# Images of the whole sets that the paper pretrains on, all splits together (ImageNet: train).
PRETRAINED_ON = {10582 + 1449: "voc", 118287 + 5000: "coco", 1281167: "imagenet"}


class DataSet(NamedTuple):
    """A labelled set: the folder it came from, images learned from and scored, the longest side in pixels, classes."""

    folder: str
    train: int
    test: int
    side: int
    classes: Sequence[str]

    @property
    def whole(self) -> str:
        """`voc` or `coco` where it is the whole set with the paper's classes; empty otherwise."""
        return WHOLE.get((self.train, self.test), "") if list(self.classes) == list(CLASS_IOU) else ""

    def __str__(self) -> str:
        return f"{self.folder} ({self.train}/{self.test} images, {self.side} px)"


def data_set(folder: str, images: Packed, splits: tuple[str, str], classes: Sequence[str]) -> DataSet:
    """The facts of a packed set, given the splits that are learned from and scored."""
    train, test = (len(images.split(split)) for split in splits)
    return DataSet(folder, train, test, int(images.sizes.max()), classes)


def pretrained_on(name: str, target: DataSet, packed: Mapping[str, Mapping[str, int]]) -> str:
    """The set `name` of `pack_images` as the paper calls it, known by its number of images; empty for any other."""
    return target.whole if name == "target" else PRETRAINED_ON.get(packed[name]["images"], "")


class Run(NamedTuple):
    """The set that was evaluated, the facts by name, and the options with a value of neither the paper nor the code."""

    data: DataSet
    facts: Mapping[str, str]
    unusual: Mapping[str, object]


def run_facts(
    data: DataSet, source: str, weights: PrepareWeights, basnet: TrainBasnet, masks: ExtractMasks, pretrain: Pretrain
) -> Run:
    """The facts of a run; `source` is what `pretrained_on` says."""
    facts = {
        "start": start_of(weights),
        "masks": masks_of(basnet, masks, pretrain),
        "mechanisms": mechanisms_of(pretrain),
        "source": source,
        "target": data.whole,
    }
    return Run(data, facts, unusual(pretrain))


def start_of(chosen: PrepareWeights) -> str:
    """The initialisation."""
    if chosen.backbone.partition(".")[0] != "resnet50":
        return ""
    if chosen.weights == "timm":
        return "imagenet" if chosen.backbone == TIMM_IMAGENET else ""
    name = Path(chosen.weights).name
    return next((start for known, start in PUBLISHED_WEIGHTS.items() if name.startswith(known)), "")


def masks_of(basnet: TrainBasnet, masks: ExtractMasks, pretrain: Pretrain) -> str:
    """Where the masks came from; of published weights their name tells (`..._unsupervised_saliency_model.pth.tar`)."""
    if pretrain.weights:
        kinds = (kind for kind in ("unsupervised", "supervised") if kind in Path(pretrain.weights).name)
        return "" if pretrain.epochs else next(kinds, "")
    kinds = {"images": "regions", "saliency": "unsupervised" if basnet.unsupervised else "supervised"}
    return kinds.get(masks.proposal, "")


def mechanisms_of(pretrain: Pretrain) -> str:
    """The training mechanisms of Table 2b; published weights have all."""
    if pretrain.weights:
        return "views, memory, momentum"
    used = {"views": pretrain.augmented_views, "memory": pretrain.queue > 0, "momentum": pretrain.momentum > 0}
    return ", ".join(name for name, on in used.items() if on) or "none"


def unusual(pretrain: Pretrain) -> Mapping[str, object]:
    """The options of pretraining that have neither the paper's value nor the code's; none for published weights."""
    if pretrain.weights:
        return {}
    values = {name: getattr(pretrain, name) for name in USUAL}
    return {f"pretrain.{name}": value for name, value in values.items() if value not in USUAL[name]}
