"""Sections of params.yaml about MaskContrast itself: views, encoder, pretraining, embedding."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.sections.section import (
    Count,
    CountOrZero,
    Fraction,
    NonNegative,
    Positive,
    PositiveFraction,
    Section,
    no_larger,
)


class Jitter(Section):
    """Colour jitter strengths, and the probabilities of jitter, grey, flip and blur; of blur, in pixels, the range."""

    brightness: NonNegative
    contrast: NonNegative
    saturation: NonNegative
    hue: Annotated[float, Field(ge=0, le=0.5)]
    probability: Fraction
    grey_probability: Fraction
    flip_probability: Fraction
    blur_probability: Fraction
    blur_sigma: Annotated[list[Positive], Field(min_length=2, max_length=2)]

    @model_validator(mode="after")
    def _sigma_ascends(self) -> "Jitter":
        if self.blur_sigma[0] > self.blur_sigma[1]:
            raise ValueError(f"blur_sigma {self.blur_sigma} must ascend")
        return self


class Views(Section):
    """The two augmented views of a training image; areas are fractions.

    `augmentation` names which of the presets counts: `moco` is that of the authors' code, `simclr` that of the paper.
    """

    size: Annotated[int, Field(ge=32)]
    min_scale: PositiveFraction
    min_foreground: Fraction
    max_foreground: Fraction
    max_tries: Count
    transforms: Literal["fast", "exact"]
    augmentation: Literal["moco", "simclr"]
    moco: Jitter
    simclr: Jitter

    _areas_ascend = no_larger("min_foreground", "max_foreground")


class Encoder(Section):
    """DeepLab-v3 on the starting backbone, with the embedding head and the saliency head.

    `shortcut` adds the projected features of the backbone to those of the decoder, which a new one hides.
    """

    output_stride: Literal[8, 16, 32]
    atrous_rates: Annotated[list[Count], Field(min_length=1)]
    decoder_channels: Count
    shortcut: bool
    dropout: Annotated[float, Field(ge=0, lt=1)]
    embedding_dim: Count


class Pretrain(Section):
    """MaskContrast pretraining (paper sections 3 and 4.1; docs/options.md compares the choices).

    `weights` is empty, or the path of a published checkpoint, with sha256, to begin with; with 0 epochs it is used as
    it is. `queue` 0 is no queue, and `momentum` 0 no momentum encoder: the key encoder then has the query encoder's
    weights. Without `augmented_views` the query view is its own positive. Of `negatives` in a batch that several
    processes share, `global` takes the whole batch's, `local` those of the process. `batchnorm` says how these keep
    batch statistics from telling which query belongs to which key: keys are shuffled over processes, or all have the
    same, `synchronised`. With a `contrastive_weight` of 0 only saliency is learned. `class_balance` weighs
    object pixels as E-Net does, an image being a class; `saliency_balance` weighs object and ground as HED does.
    """

    split: str
    encoder: Encoder
    weights: str
    sha256: str
    views: Views
    frozen_stages: CountOrZero
    batch: Annotated[int, Field(ge=2)]
    epochs: CountOrZero
    learning_rate: Positive
    backbone_rate_factor: Positive
    weight_decay: NonNegative
    warmup_steps: CountOrZero
    augmented_views: bool
    queue: CountOrZero
    negatives: Literal["global", "local"]
    batchnorm: Literal["shuffled", "synchronised"]
    temperature: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)]
    contrastive_weight: NonNegative
    saliency_weight: NonNegative
    class_balance: bool
    saliency_balance: bool

    @model_validator(mode="after")
    def _something_is_trained(self) -> "Pretrain":
        if not (self.weights or self.epochs):
            raise ValueError("epochs are 0, which needs the weights of a trained network")
        if not (self.contrastive_weight or self.saliency_weight):
            raise ValueError("contrastive_weight and saliency_weight are both 0, which leaves nothing to learn")
        return self


class Pooling(Section):
    """Which pixels are salient, and how much each counts in the mask embedding.

    `threshold` is what a salient pixel's saliency exceeds: a probability or, by `threshold_on`, a logit.
    """

    weight: Literal["uniform", "probability", "logit"]
    threshold_on: Literal["probability", "logit"]
    threshold: Annotated[float, Field(ge=-10, le=10)]
    normalize_pixels: bool

    @model_validator(mode="after")
    def _probability_in_range(self) -> "Pooling":
        if self.threshold_on == "probability" and not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold {self.threshold} is no probability; give one, or set threshold_on to logit")
        if self.weight == "logit" and self.threshold < (0.5 if self.threshold_on == "probability" else 0):
            raise ValueError(
                f"weight is logit, negative for pixels below 0.5; raise threshold {self.threshold} to that"
            )
        return self


class Cells(Section):
    """Dense features to keep: of these `networks`, for the images of these `splits`, averaged in `grid` x `grid` cells.

    A `grid` of 0 keeps the network's own feature map. `budget_mib` is the most that they may take, in MiB.
    """

    networks: list[Literal["start", "maskcontrast"]]
    splits: list[str]
    grid: CountOrZero
    budget_mib: Count


class Embed(Section):
    """Pooling over the predicted salient pixels of the pixel embeddings, or of the decoder's `features` below them.

    `pooling` names which of the presets counts: that of the `paper`, or that of the authors' code, `official_code`.
    """

    size: Annotated[int, Field(ge=32)]
    batch: Count
    features: Literal["embedding", "decoder"]
    pooling: Literal["paper", "official_code"]
    paper: Pooling
    official_code: Pooling
    cells: Cells
