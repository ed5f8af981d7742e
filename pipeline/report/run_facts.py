"""What a run is in the terms of the paper's tables, read from its parameters and its images.

- `start`: `moco_v2` or `imagenet` (the supervised classifier of torchvision, first version), of a ResNet-50;
- `masks`: from `unsupervised` or `supervised` saliency, or `regions` of a hierarchical segmentation;
- `mechanisms`: those of Table 2b that pretraining used;
- `pretraining`, and each protocol, `linear`, `kmeans`, `retrieve` and `finetune`: `published` where all of its options
  have the paper's or the code's value;
- `source` and `target`: the data set pretrained on and the one evaluated, `voc`, `coco` or for the first `imagenet`,
  only where it is whole.

A fact is empty where the paper has no such run. Weights and masks are known by the name that their publisher gave them.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from pipeline.derived_params import is_unsupervised
from pipeline.packed import Packed
from pipeline.params import ExtractMasks, Params, PrepareWeights, Pretrain, TrainBasnet
from pipeline.report.published import CLASS_IOU

PUBLISHED_WEIGHTS = {"moco_v2_800ep": "moco_v2", "resnet50-19c8e357": "imagenet", "resnet50-0676ba61": "imagenet"}
# timm's name of the same classifier.
TIMM_IMAGENET = "resnet50.tv_in1k"
# Images of trainaug and val of PASCAL VOC, of train and val of COCO 2017, and their longest side in pixels.
WHOLE = {(10582, 1449, 500): "voc", (118287, 5000, 640): "coco"}
# The paper's and the code's values of the options that decide most, each by itself and not their combinations. Table 2b
# leaves queue and momentum out, with 0; the code freezes the stem and two stages of an ImageNet classifier. What the
# paper leaves open is not here.
USUAL = {
    "pretraining": {
        "pretrain.encoder.output_stride": (8,),
        "pretrain.encoder.atrous_rates": ([12, 24, 36],),
        "pretrain.encoder.decoder_channels": (256,),
        "pretrain.encoder.shortcut": (False,),
        "pretrain.encoder.dropout": (0.5,),
        "pretrain.encoder.embedding_dim": (32,),
        "pretrain.views.size": (224,),
        "pretrain.views.min_scale": (0.2,),
        "pretrain.frozen_stages": (0, 3),
        "pretrain.batch": (64, 128),
        "pretrain.warmup_steps": (0,),
        "pretrain.epochs": (60, 40),
        "pretrain.queue": (128, 256, 0),
        "pretrain.learning_rate": (0.004,),
        "pretrain.backbone_rate_factor": (1.0,),
        "pretrain.weight_decay": (0.0001,),
        "pretrain.temperature": (0.5,),
        "pretrain.momentum": (0.999, 0.0),
        "pretrain.contrastive_weight": (1.0,),
        "pretrain.saliency_weight": (1.0,),
    },
    "linear": {
        "probe_linear.size": (512,),
        "probe_linear.views": (60,),
        "probe_linear.standardize": (False,),
        "probe_linear.batch": (16,),
        "probe_linear.epochs": (60,),
        "probe_linear.learning_rate": (0.1,),
        "probe_linear.weight_decay": (0.0001,),
        "probe_linear.decay_epochs": ([40], [26]),
    },
    "kmeans": {
        "embed.size": (512,),
        "embed.features": ("embedding",),
        "cluster.split": ("val",),
        "cluster.components": (32,),
        "cluster.pixel_components": (50,),
        "cluster.whiten": (True,),
        "cluster.spherical": (False,),
    },
    "retrieve": {
        "embed.size": (512,),
        "embed.features": ("embedding",),
        "retrieve.bank": ("train",),
        "retrieve.query": ("val",),
        "retrieve.neighbours": (1,),
        "retrieve.size": (512,),
        "retrieve.kept_classes": (["aeroplane", "bottle", "bus", "car", "cat", "cow", "person"],),
    },
    "finetune": {
        "finetune.size": (512,),
        "finetune.batch": (8,),
        "finetune.start.network": (0.004,),
        "finetune.start.classifier": (0.004,),
        "finetune.maskcontrast.network": (0.004,),
        "finetune.maskcontrast.classifier": (0.004,),
        "finetune.maskcontrast.frozen_batchnorm": (True,),
        "finetune.small_up_to": (0.02,),
        "finetune.maskcontrast_small.network": (0.001,),
        "finetune.maskcontrast_small.classifier": (0.1,),
        "finetune.maskcontrast_small.frozen_batchnorm": (True,),
    },
}


# Images of the whole sets that the paper pretrains on, all splits together (ImageNet: train).
PRETRAINED_ON = {10582 + 1449: "voc", 118287 + 5000: "coco", 118287: "coco", 1281167: "imagenet"}


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
        return WHOLE.get((self.train, self.test, self.side), "") if list(self.classes) == list(CLASS_IOU) else ""

    def __str__(self) -> str:
        return f"{self.folder} ({self.train}/{self.test} images, {self.side} px)"


def data_set(folder: str, images: Packed, splits: tuple[str, str], classes: Sequence[str]) -> DataSet:
    """The facts of a packed set, given the splits that are learned from and scored."""
    train, test = (len(images.split(split)) for split in splits)
    return DataSet(folder, train, test, int(images.sizes.max()), classes)


def pretrained_on(name: str, target: DataSet, packed: Mapping[str, Mapping[str, int]], pretrain: Pretrain) -> str:
    """The set `name` of `pack_images` as the paper calls it, known by its number of images; empty for any other.

    Published weights of MaskContrast, whose files begin with the name of their data set, were pretrained on that.
    """
    if pretrain.weights:
        return "voc" if not pretrain.epochs and Path(pretrain.weights).name.startswith("VOC") else ""
    return target.whole if name == "target" else PRETRAINED_ON.get(packed[name]["images"], "")


class Run(NamedTuple):
    """The set that was evaluated, the facts by name, and the options with a value of neither the paper nor the code."""

    data: DataSet
    facts: Mapping[str, str]
    unusual: Mapping[str, object]


def run_of(params: Params, images: Packed, classes: Sequence[str], packed: Mapping[str, Mapping[str, int]]) -> Run:
    """The facts of the run with these parameters; `packed` says how many images each set has."""
    splits = params.probe_linear.train, params.probe_linear.test
    target = data_set(params.pack_images.target.source, images, splits, classes)
    return run_facts(target, pretrained_on(params.base.pretraining_set, target, packed, params.pretrain), params)


def run_facts(data: DataSet, source: str, params: Params) -> Run:
    """The facts of a run on `data`; `source` is what `pretrained_on` says."""
    odd = {part: unusual(part, params) for part in USUAL}
    facts = {
        "start": start_of(params.prepare_weights),
        "masks": masks_of(params.train_basnet, params.extract_masks, params.pretrain),
        "mechanisms": mechanisms_of(params.pretrain),
        "source": source,
        "target": data.whole,
    }
    facts |= {part: "" if options else "published" for part, options in odd.items()}
    return Run(data, facts, {name: value for options in odd.values() for name, value in options.items()})


def start_of(chosen: PrepareWeights) -> str:
    """The initialisation."""
    if chosen.backbone.partition(".")[0] != "resnet50":
        return ""
    if chosen.weights == "timm":
        return "imagenet" if chosen.backbone == TIMM_IMAGENET else ""
    name = Path(chosen.weights).name
    return next((start for known, start in PUBLISHED_WEIGHTS.items() if name.startswith(known)), "")


def masks_of(basnet: TrainBasnet, masks: ExtractMasks, pretrain: Pretrain) -> str:
    """Where the masks came from; published ones and published weights tell by their names."""
    if pretrain.weights:
        return "" if pretrain.epochs else _saliency(pretrain.weights)
    if masks.proposal.startswith("raw/"):
        return _saliency(masks.proposal)
    kinds = {"images": "regions", "saliency": "unsupervised" if is_unsupervised(basnet) else "supervised"}
    return kinds.get(masks.proposal, "")


def _saliency(name: str) -> str:
    """Of `saliency_unsupervised_model`, a folder of masks, or `..._unsupervised_saliency_model.pth.tar`."""
    return next((kind for kind in ("unsupervised", "supervised") if kind in Path(name).name), "")


def mechanisms_of(pretrain: Pretrain) -> str:
    """The training mechanisms of Table 2b; published weights have all."""
    if pretrain.weights:
        return "views, memory, momentum"
    used = {"views": pretrain.augmented_views, "memory": pretrain.queue > 0, "momentum": pretrain.momentum > 0}
    return ", ".join(name for name, on in used.items() if on) or "none"


def unusual(part: str, params: Params) -> dict[str, object]:
    """The options of a part of `USUAL` with neither the paper's value nor the code's; published weights have those."""
    if part == "pretraining" and params.pretrain.weights:
        return {}
    values = {name: attrgetter(name)(params) for name in USUAL[part]}
    return {name: value for name, value in values.items() if value not in USUAL[part][name]}
