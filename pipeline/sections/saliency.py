"""Sections of params.yaml on the way from images to object masks, and on scoring it."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.sections.section import (
    Count,
    CountOrZero,
    DenseCrf,
    Fraction,
    NonNegative,
    Positive,
    PositiveFraction,
    Prior,
    Section,
    no_larger,
)


class Rbd(Section):
    """Robust background detection (Zhu et al., CVPR 2014)."""

    superpixels: Count
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


class Scale(Section):
    """How fine an image is cut: the number of superpixels, and the weight of position against colour."""

    superpixels: Count
    compactness: Positive


class Dsr(Section):
    """Dense and sparse reconstruction (Li et al., ICCV 2013)."""

    scales: Annotated[list[Scale], Field(min_length=1)]
    energy: PositiveFraction
    sparsity: Positive
    clusters: Count


class Hs(Section):
    """Hierarchical saliency (Yan et al., CVPR 2013); `regions`: smallest side of each layer's regions, fine to coarse.

    The sides are given for images with a longest side of 400 pixels.
    """

    regions: Annotated[list[Count], Field(min_length=1)]
    confidence: list[Positive]
    consistency: Positive
    centre: NonNegative

    @model_validator(mode="after")
    def _layers_agree(self) -> "Hs":
        if len(self.confidence) != len(self.regions):
            found = f"{len(self.regions)} layers and confidence {len(self.confidence)}"
            raise ValueError(f"regions has {found}; give each layer a confidence")
        if sorted(set(self.regions)) != self.regions:
            raise ValueError(f"regions {self.regions} must ascend, fine to coarse")
        return self


class ComputePriors(Section):
    """Hand-crafted priors, computed with the longest side reduced to `max_side` pixels."""

    max_side: Annotated[int, Field(ge=32)]
    remove_frame: bool
    rbd: Rbd
    dsr: Dsr
    mc: Mc
    hs: Hs


class Crf(DenseCrf):
    """Two-label dense CRF; pixels are those of a longest side of 432.

    `backend` is `grid`, solved on a grid with this longest side, or `pydensecrf`, at full resolution by an extra.
    """

    backend: Literal["grid", "pydensecrf"]
    grid: Annotated[int, Field(ge=8)]


class SaliencyNetwork(Section):
    """What the pseudo-label networks share: input side, training length, and whether the backbone stays fixed."""

    size: Annotated[int, Field(ge=32)]
    batch: Count
    epochs: Count
    frozen_backbone: bool
    confidence_rule: bool
    beta_squared: Positive


class RefinePseudolabels(SaliencyNetwork):
    """DeepUSPS phase 1, a round for each of `learning_rates`.

    Salient is what exceeds a prior's entry in `thresholds`, else `threshold_factor` x its mean.
    """

    learning_rates: Annotated[list[Positive], Field(min_length=1)]
    thresholds: dict[Prior, Annotated[float, Field(gt=0, lt=1)]]
    threshold_factor: Positive
    moving_average: Annotated[float, Field(ge=0, lt=1)]
    averaged_epochs: Count
    crf: Crf

    _averages_trained_epochs = no_larger("averaged_epochs", "epochs")


class FusePseudolabels(SaliencyNetwork):
    """DeepUSPS phase 2; with `crf_output` the fused map is sharpened by the CRF before it is saved.

    `targets_from` is the folder below data/ that it learns from: the refined maps or, to see what phase 1 is worth, the
    priors themselves, cut where phase 1 cuts them.
    """

    targets_from: Literal["pseudolabels/refined", "priors/proposal"]
    learning_rate: Positive
    crf_output: bool
    crf: Crf


class TrainBasnet(Section):
    """BAS-Net; `width` is the channel count of its first stage (64 in the paper).

    `encoder` is `resnet34` (BAS-Net's own; at width 64 from the starting weights, if they are a ResNet-34's) or `start`
    (the starting backbone). Its pretrained part learns at `encoder_rate_factor` times the learning rate. `weights` is
    empty, or the path of the authors' released network, with sha256, to begin with; with 0 epochs it is used as it is.
    `targets_from` is the file below data/ that it learns from; `targets` are its maps (`soft`) or their pixels above
    `target_threshold` (`binary`).
    """

    width: Annotated[int, Field(ge=4)]
    encoder: Literal["resnet34", "start"]
    encoder_rate_factor: Positive
    weights: str
    sha256: str
    targets_from: Literal["pseudolabels/fused", "labels/proposal"]
    targets: Literal["binary", "soft"]
    size: Annotated[int, Field(ge=32)]
    crop: Annotated[int, Field(ge=32)]
    batch: Annotated[int, Field(ge=2)]
    epochs: CountOrZero
    learning_rate: Positive
    target_threshold: Fraction

    _crop_fits = no_larger("crop", "size")

    @model_validator(mode="after")
    def _weights_fit(self) -> "TrainBasnet":
        if self.weights and self.encoder != "resnet34":
            raise ValueError(
                f"weights are {self.weights}, whose encoder is resnet34: set encoder to it, not {self.encoder}"
            )
        if not (self.weights or self.epochs):
            raise ValueError("epochs are 0, which needs the weights of a trained network")
        return self


class PredictSaliency(Section):
    """BAS-Net on new images; `stretch` maps each prediction's minimum to 0 and its maximum to 1."""

    size: Annotated[int, Field(ge=32)]
    batch: Count
    stretch: bool


class Regions(Section):
    """Hierarchical segmentation: `scale` of the first regions (Felzenszwalb and Huttenlocher, IJCV 2004).

    Neighbours whose mean Lab colours differ by less than `merge_below` are then merged, the most similar first.
    """

    scale: Positive
    merge_below: NonNegative


class ExtractMasks(Section):
    """What masks are made from, threshold and clean-up; areas are fractions of the image.

    `proposal` is a place below data/: `saliency` (the maps of BAS-Net), `images` (regions of the images themselves)
    or `raw/FOLDER` (masks that lie there as PNG files). `components`: whether the parts of a mask are one object.
    """

    proposal: str
    threshold: Fraction
    min_component: Fraction
    min_area: Fraction
    mode: Literal["components", "contours"]
    components: Literal["merge", "split"]
    regions: Regions

    @field_validator("proposal")
    @classmethod
    def _proposal_is_a_known_place(cls, proposal: str) -> str:
        if not re.fullmatch(r"saliency|images|raw/\S+", proposal):
            raise ValueError("name saliency, images, or a folder of masks as in raw/my_masks")
        return proposal

    @model_validator(mode="after")
    def _regions_stay_apart(self) -> "ExtractMasks":
        if self.proposal == "images" and self.components == "merge":
            raise ValueError("the regions of an image merged are the whole image: set components to split")
        return self


class ScoreSaliency(Section):
    """`beta_squared` of the F-measure (0.3 throughout the field), `draws` of the bootstrap that compares sources.

    The figure of maps shows at most `pictures` images.
    """

    beta_squared: Positive
    draws: Count
    pictures: Count
