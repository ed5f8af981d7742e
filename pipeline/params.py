"""params.yaml as frozen, validated sections, one per stage; nothing else reads the file.

No field has a default: a key that is missing, misspelt or out of range is refused by name, and since every
stage validates the whole file, it is refused by the first stage that runs.
"""

import difflib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML

from pipeline.errors import InputError

Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveFraction = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """A part of params.yaml: frozen, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Base(Section):
    """`seed`: the seed every random stream of the run is derived from."""

    seed: Seed


class Sweep(Section):
    """The lists that stages are repeated over; only the stages that gather them depend on this section."""

    priors: Annotated[list[Literal["rbd", "mc"]], Field(min_length=1)]
    fractions: list[PositiveFraction]
    splits: list[Seed]
    inits: list[Literal["start", "maskcontrast"]]


class DrawSample(Section):
    """The embedded sample: images per set, and their longer side in pixels."""

    size: Annotated[int, Field(ge=32)]
    proposal: Count
    benchmark: Count
    train: Count
    trainaug: Count
    val: Count

    @model_validator(mode="after")
    def _train_is_part_of_trainaug(self) -> "DrawSample":
        if self.train > self.trainaug:
            raise ValueError(f"train ({self.train}) is a part of trainaug ({self.trainaug}) and cannot be larger")
        return self


class ImageSource(Section):
    """Where a set comes from: `source` below data/raw, its folder layout, at most `limit` images a split (0: all)."""

    source: str
    layout: Literal["folder", "voc", "saliency"]
    limit: dict[str, CountOrZero]
    classes: list[str]

    @model_validator(mode="after")
    def _classes_belong_to_voc(self) -> "ImageSource":
        if (self.layout == "voc") != (len(self.classes) > 1):
            raise ValueError(f"classes are {self.classes}: name them, background first, for the layout voc alone")
        return self


class PackImages(Section):
    """The three sets: `proposal` teaches saliency, `benchmark` only scores it, `target` is segmented."""

    proposal: ImageSource
    benchmark: ImageSource
    target: ImageSource


class PrepareWeights(Section):
    """The starting network: a timm model; `weights` is `random`, `timm` (its download), or a file path with sha256."""

    backbone: str
    weights: str
    sha256: str


class Rbd(Section):
    """Robust background detection (Zhu et al., CVPR 2014)."""

    pixels_per_superpixel: Count
    compactness: Positive
    boundary_band: Count
    background_weight: Positive
    smoothness: Positive
    position_sigma: Positive


class Mc(Section):
    """Absorbing Markov chain (Jiang et al., ICCV 2013)."""

    superpixels: Count
    compactness: Positive
    colour_scale: Positive
    outlier_sum: Positive
    centre_score: Positive


class ComputePriors(Section):
    """Hand-crafted priors, computed with the longest side reduced to `max_side` pixels."""

    max_side: Annotated[int, Field(ge=32)]
    remove_frame: bool
    rbd: Rbd
    mc: Mc


class Crf(Section):
    """Two-label dense CRF solved on a grid; sigmas in pixels at a longest side of 432 (colour in 0..255)."""

    grid: Annotated[int, Field(ge=8)]
    iterations: Count
    smoothness_sigma: Positive
    smoothness_weight: NonNegative
    position_sigma: Positive
    colour_sigma: Positive
    appearance_weight: NonNegative


class SaliencyNetwork(Section):
    """What the pseudo-label networks share: input side, training length, and whether the backbone stays fixed."""

    size: Annotated[int, Field(ge=32)]
    batch: Count
    epochs: Count
    learning_rate: Positive
    frozen_backbone: bool
    confidence_rule: bool
    beta_squared: Positive


class RefinePseudolabels(SaliencyNetwork):
    """DeepUSPS phase 1."""

    rounds: Count
    threshold_factor: Positive
    moving_average: Annotated[float, Field(ge=0, lt=1)]
    averaged_epochs: Count
    crf: Crf

    @model_validator(mode="after")
    def _averages_trained_epochs(self) -> "RefinePseudolabels":
        if self.averaged_epochs > self.epochs:
            raise ValueError(f"averaged_epochs ({self.averaged_epochs}) is larger than epochs ({self.epochs})")
        return self


class FusePseudolabels(SaliencyNetwork):
    """DeepUSPS phase 2; with `crf_output` the fused map is sharpened by the CRF before it is saved."""

    crf_output: bool
    crf: Crf


class TrainBasnet(Section):
    """BAS-Net; `width` is the channel count of its first stage (64 in the paper)."""

    width: Annotated[int, Field(ge=4)]
    size: Annotated[int, Field(ge=32)]
    crop: Annotated[int, Field(ge=32)]
    batch: Annotated[int, Field(ge=2)]
    epochs: Count
    learning_rate: Positive
    target_threshold: Fraction

    @model_validator(mode="after")
    def _crop_fits(self) -> "TrainBasnet":
        if self.crop > self.size:
            raise ValueError(f"crop ({self.crop}) is larger than size ({self.size})")
        return self


class PredictSaliency(Section):
    """BAS-Net on new images; `stretch` maps each prediction's minimum to 0 and its maximum to 1."""

    size: Annotated[int, Field(ge=32)]
    batch: Count
    stretch: bool


class ExtractMasks(Section):
    """Threshold and clean-up; areas are fractions of the image."""

    threshold: Fraction
    min_component: Fraction
    min_area: Fraction
    mode: Literal["components", "contours"]


class Jitter(Section):
    """Colour jitter strengths, and the probabilities of jitter, grey and flip."""

    brightness: NonNegative
    contrast: NonNegative
    saturation: NonNegative
    hue: Annotated[float, Field(ge=0, le=0.5)]
    probability: Fraction
    grey_probability: Fraction
    flip_probability: Fraction


class Views(Section):
    """The two augmented views of a training image; areas are fractions."""

    size: Annotated[int, Field(ge=32)]
    min_scale: PositiveFraction
    min_foreground: Fraction
    max_foreground: Fraction
    max_tries: Count
    jitter: Jitter


class Encoder(Section):
    """DeepLab-v3 on the starting backbone, with the embedding head and the saliency head."""

    output_stride: Literal[8, 16, 32]
    atrous_rates: Annotated[list[Count], Field(min_length=1)]
    decoder_channels: Count
    dropout: Annotated[float, Field(ge=0, lt=1)]
    embedding_dim: Count


class Pretrain(Section):
    """MaskContrast pretraining (paper sections 3 and 4.1)."""

    split: str
    encoder: Encoder
    views: Views
    frozen_stages: CountOrZero
    batch: Annotated[int, Field(ge=2)]
    epochs: Count
    learning_rate: Positive
    backbone_rate_factor: Positive
    weight_decay: NonNegative
    warmup_steps: CountOrZero
    queue: Count
    temperature: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)]
    saliency_weight: NonNegative
    class_balance: bool


class Embed(Section):
    """Pooling of pixel embeddings over the predicted salient pixels."""

    size: Annotated[int, Field(ge=32)]
    batch: Count
    threshold: Fraction
    weight: Literal["uniform", "probability", "logit"]
    normalize_pixels: bool


class Cluster(Section):
    """K-means on mask embeddings; `clusters` counts the background, as K does in the paper."""

    split: str
    clusters: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)]
    seeds: Annotated[list[Seed], Field(min_length=1)]
    iterations: Count
    restarts: Count
    components: Count
    whiten: bool


class MatchClusters(Section):
    """Hungarian matching when K equals the number of classes, else the best class of every cluster."""

    criterion: Literal["iou", "pixels"]


class Retrieve(Section):
    """Nearest labelled segment: `bank` and `query` are splits."""

    bank: str
    query: str
    neighbours: Count


class ProbeLinear(Section):
    """Frozen network and a 1x1 classifier (paper section 4.1); trained without augmentation.

    `learning_rate` is that of features standardised to unit length: 5 suits any network, above 8 steps may overshoot.
    """

    train: str
    test: str
    size: Annotated[int, Field(ge=32)]
    batch: Count
    epochs: Count
    learning_rate: Positive
    weight_decay: NonNegative
    decay_epochs: list[Count]
    seeds: Annotated[list[Seed], Field(min_length=1)]


class FinetuneRates(Section):
    """Learning rates of one initialisation: the network's and the new classifier's."""

    network: Positive
    classifier: Positive
    frozen_batchnorm: bool


class Finetune(Section):
    """Semi-supervised fine-tuning (paper section 4.6)."""

    train: str
    test: str
    size: Annotated[int, Field(ge=32)]
    batch: Annotated[int, Field(ge=2)]
    iterations: Count
    weight_decay: NonNegative
    start: FinetuneRates
    maskcontrast: FinetuneRates


class ScoreSaliency(Section):
    """`beta_squared` of the F-measure (0.3 throughout the field)."""

    beta_squared: Positive


class Report(Section):
    """What the report shows: images of the overlay figure, digits of the numbers in metrics/summary.json."""

    overlays: Count
    digits: Count


class Params(Section):
    """The whole of params.yaml."""

    base: Base
    sweep: Sweep
    draw_sample: DrawSample
    pack_images: PackImages
    prepare_weights: PrepareWeights
    compute_priors: ComputePriors
    refine_pseudolabels: RefinePseudolabels
    fuse_pseudolabels: FusePseudolabels
    train_basnet: TrainBasnet
    predict_saliency: PredictSaliency
    extract_masks: ExtractMasks
    pretrain: Pretrain
    embed: Embed
    cluster: Cluster
    match_clusters: MatchClusters
    retrieve: Retrieve
    probe_linear: ProbeLinear
    finetune: Finetune
    score_saliency: ScoreSaliency
    report: Report


def load(path: Path = Path("params.yaml")) -> Params:
    """Read and check the whole file; InputError names the first wrong key, its value and what was expected."""
    try:
        return Params.model_validate(YAML(typ="safe").load(path))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; run from the root of the repository") from None
    except ValidationError as error:
        raise InputError(f"{path}: {_sentence(error)}") from None


def _sentence(error: ValidationError) -> str:
    # A misspelt key is both "unknown" and "missing"; naming the unknown one helps more.
    first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"][:-1])
        close = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known keys are {', '.join(known)}"
        return f"{key} (value {first['input']!r}) is not a known key; {hint}"
    if first["type"] == "missing":
        return f"{key} is missing; add it (no parameter has a default)"
    return f"{key} is {first['input']!r}; {first['msg'][0].lower()}{first['msg'][1:]}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = Params
    for part in location:
        section = section.model_fields[str(part)].annotation  # type: ignore[assignment]
    return list(section.model_fields)
