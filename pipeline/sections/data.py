"""Sections of params.yaml about the run as a whole, the images and the starting weights."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from pipeline.sections.section import Count, CountOrZero, PositiveFraction, Prior, Section, Seed, no_larger


class Base(Section):
    """What the whole run shares.

    Every random stream is derived from `seed`. `pretraining_set` is the set of `pack_images` whose images are masked
    and pretrained on; evaluated is always `target`, so that another set shows how embeddings transfer (paper Table 5).
    """

    seed: Seed
    pretraining_set: str


class Sweep(Section):
    """The lists that stages are repeated over; only the stages that gather them depend on this section."""

    priors: Annotated[list[Prior], Field(min_length=1)]
    fractions: list[PositiveFraction]
    splits: list[Seed]
    inits: list[Literal["start", "maskcontrast"]]

    @field_validator("fractions", mode="before")
    @classmethod
    def _fractions_have_a_point(cls, fractions: object) -> object:
        # DVC names an item's outputs by the number as it is written, and 1 would not be found as 1.0.
        whole = [each for each in fractions if isinstance(each, int)] if isinstance(fractions, list) else []
        if whole:
            raise ValueError(f"write {float(whole[0])} instead of {whole[0]}")
        return fractions


class DrawSample(Section):
    """The embedded sample: images per set, and their longer side in pixels."""

    size: Annotated[int, Field(ge=32)]
    proposal: Count
    benchmark: Count
    train: Count
    trainaug: Count
    val: Count

    _train_is_part_of_trainaug = no_larger("train", "trainaug")


class ImageSource(Section):
    """Where a set comes from: `source` below data/raw, its folder layout, at most `limit` images a split (0: all).

    `classes`: of the layouts `voc` and `coco`, background first. `other_things`: what is done with the things of COCO
    that are in none of them. `on_error`: what an image at fault does, or one whose label map is: stop the stage, or be
    left out and listed. `val_fraction`: of a folder without lists of its own, the share of its images that is drawn
    into the split `val` from `split_seed`; with 0 there are no splits.
    """

    source: str
    layout: Literal["folder", "voc", "coco", "saliency"]
    limit: dict[str, CountOrZero]
    classes: list[str]
    other_things: Literal["background", "ignore"]
    on_error: Literal["stop", "skip"]
    val_fraction: Annotated[float, Field(ge=0, lt=1)]
    split_seed: Seed

    @model_validator(mode="after")
    def _classes_belong_to_some_layouts(self) -> "ImageSource":
        if (self.layout in ("voc", "coco")) != (len(self.classes) > 1):
            raise ValueError(
                f"classes are {self.classes}: name them, background first, for the layouts voc and coco alone"
            )
        if self.other_things == "ignore" and self.layout != "coco":
            raise ValueError(
                f"other_things are ignored in the layout coco alone, not in {self.layout}: write background"
            )
        if self.val_fraction and self.layout != "folder":
            raise ValueError(f"val_fraction is {self.val_fraction}, but only the layout folder is split: write 0.0")
        return self


class PackImages(Section):
    """The sets: `proposal` teaches saliency, `benchmark` only scores it, `target` is segmented.

    Beside these three there may be one more, of any name, which `base.pretraining_set` names.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, ImageSource] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    proposal: ImageSource
    benchmark: ImageSource
    target: ImageSource


class PrepareWeights(Section):
    """The starting network: a timm model, `drn_d_22` or `drn_d_105`.

    `weights` is `random`, `timm` (its download), or a file path with sha256.
    """

    backbone: str
    weights: str
    sha256: str
