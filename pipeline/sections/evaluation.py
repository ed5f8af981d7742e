"""Sections of params.yaml about clustering, matching, retrieval, probing, fine-tuning and the report."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from pipeline.sections.data import PrepareWeights
from pipeline.sections.section import Count, CountOrZero, DenseCrf, Fraction, NonNegative, Positive, Section, Seed


class Cluster(Section):
    """K-means; for mask embeddings `clusters` counts the background, as K does in the paper.

    Points are the first `components` principal components of mask embeddings, `pixel_components` of the features of
    cells. With `whiten` these get unit variance. `spherical` is K-means by cosine: nothing is centred, points and
    centroids have unit length.
    """

    split: str
    clusters: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)]
    seeds: Annotated[list[Seed], Field(min_length=1)]
    iterations: Count
    restarts: Count
    components: Count
    pixel_components: Count
    whiten: bool
    spherical: bool

    @model_validator(mode="after")
    def _one_metric(self) -> "Cluster":
        if self.whiten and self.spherical:
            raise ValueError("whiten and spherical are both true; whitened points are for Euclidean K-means, set one")
        return self


class MatchingProtocol(Section):
    """How clusters get names and where they are scored.

    `size` is a square's side in pixels, or 0 for the original size of every label map. `one_to_one` is what Hungarian
    matching maximises where K equals the number of classes, `many_to_one` what a cluster's class maximises elsewhere.
    """

    size: CountOrZero
    one_to_one: Literal["iou", "pixels"]
    many_to_one: Literal["iou", "pixels"]


PUBLISHED_PROTOCOLS = {
    "a": MatchingProtocol(size=0, one_to_one="iou", many_to_one="iou"),
    "a_prime": MatchingProtocol(size=512, one_to_one="pixels", many_to_one="pixels"),
    "b": MatchingProtocol(size=100, one_to_one="iou", many_to_one="pixels"),
}


class MatchClusters(Section):
    """Protocols by the key under which their scores stand: those of published numbers, and any of your own beside."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, MatchingProtocol] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    a: MatchingProtocol
    a_prime: MatchingProtocol
    b: MatchingProtocol

    @model_validator(mode="after")
    def _a_key_names_its_rule(self) -> "MatchClusters":
        for name, rule in PUBLISHED_PROTOCOLS.items():
            if getattr(self, name) != rule:
                raise ValueError(f"{name} is published as {rule.model_dump()}; give another rule a name of its own")
        return self


class BundlePredictor(Section):
    """The clustering that predictions are made with, one of `cluster`; `clusters` counts the background.

    `names` gives names to clusters: the results of `match_clusters` under this `protocol`, which finds none without
    labels, or a table in data/raw in their place.
    """

    clusters: Annotated[int, Field(ge=2, le=255)]
    seed: Seed
    protocol: str
    names: Annotated[str, Field(pattern=r"^(results/match_clusters|data/raw/\S+\.csv)$")]


class RetrievalSheet(Section):
    """The picture of retrieved segments: at most so many `queries`, each beside its nearest `neighbours`."""

    queries: Count
    neighbours: Count


class Retrieve(Section):
    """Nearest labelled segment: `bank` and `query` are splits.

    Segments are labelled and scored at the original size of their images (`size` 0) or in squares of this side.
    `kept_classes` get a second score, in which all others are ignored; without any there is none.
    """

    bank: str
    query: str
    neighbours: Count
    size: CountOrZero
    kept_classes: list[str]
    sheet: RetrievalSheet

    @field_validator("kept_classes")
    @classmethod
    def _classes_are_kept_once(cls, classes: list[str]) -> list[str]:
        if len(set(classes)) < len(classes):
            raise ValueError("name every class once")
        return classes


class LabelCrf(DenseCrf):
    """Dense CRF on label maps at the original size: `none`, or by the extra `pydensecrf`."""

    backend: Literal["none", "pydensecrf"]


class ProbeLinear(Section):
    """Frozen network and a 1x1 classifier (paper section 4.1).

    `views` random views of each training image are drawn once (flip, rotation, scale) and seen in turn, one an epoch;
    0 are the images as they are. `outside` is what lies beyond the image in a view. With `standardize` features have
    unit length on average, and a `learning_rate` of 5 suits any network (above 8 steps may overshoot); the published
    head is plain, at 0.1 for most networks. Every `evaluate_every` epochs the test images are scored, and of these
    epochs the best is reported beside the last.
    """

    train: str
    test: str
    size: Annotated[int, Field(ge=32)]
    views: Annotated[int, Field(ge=0)]
    outside: Literal["ignored", "background"]
    standardize: bool
    batch: Count
    epochs: Count
    evaluate_every: Count
    learning_rate: Positive
    weight_decay: NonNegative
    decay_epochs: list[Count]
    seeds: Annotated[list[Seed], Field(min_length=1)]
    crf: LabelCrf


class Baseline(PrepareWeights):
    """A network to set beside the pretrained one; `basnet` is the encoder of the run's own saliency network.

    Any other is a backbone with `weights` as in `prepare_weights`.
    """

    @model_validator(mode="after")
    def _basnet_brings_its_weights(self) -> "Baseline":
        if (self.backbone == "basnet") != (not self.weights):
            raise ValueError(f"weights of {self.backbone} are {self.weights!r}: leave them empty for basnet alone")
        return self


# A name becomes a stage's, a folder's and a key's, in which DVC would read a dot as nesting.
BaselineName = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]


class FinetuneRates(Section):
    """Learning rates of one initialisation: the network's and the new classifier's."""

    network: Positive
    classifier: Positive
    frozen_batchnorm: bool


class DrawSplits(Section):
    """The labelled images of fine-tuning: every `sweep.fractions` of the split `train`, for each of `sweep.splits`.

    With `cover_classes` every fraction that has as many images as there are classes shows them all.
    """

    train: str
    cover_classes: bool


class Finetune(Section):
    """Semi-supervised fine-tuning (paper section 4.6), from the starting weights or from MaskContrast.

    `maskcontrast_small` are the rates of the latter at fractions of the labels up to `small_up_to`; 0 is never.
    """

    test: str
    size: Annotated[int, Field(ge=32)]
    batch: Annotated[int, Field(ge=2)]
    iterations: Count
    weight_decay: NonNegative
    start: FinetuneRates
    maskcontrast: FinetuneRates
    small_up_to: Fraction
    maskcontrast_small: FinetuneRates
    crf: LabelCrf


class Report(Section):
    """What the report shows: images of the overlay figure, digits of the numbers in metrics and tables of scores."""

    overlays: Count
    digits: Count
