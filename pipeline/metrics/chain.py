"""The steps from priors to masks, scored beside one another on the same images.

A step is one or several sources of saliency maps, by name. Each source is compared with those of the step before, so
that one sees whether a step earns its cost.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline.errors import InputError
from pipeline.images.codecs import decode_labels, decode_map
from pipeline.mask_store import MaskStore
from pipeline.metrics.bootstrap import paired_bootstrap
from pipeline.metrics.confusion import IGNORED
from pipeline.metrics.saliency import GroundTruth, SaliencyScores
from pipeline.packed import Packed
from pipeline.params import ScoreSaliency
from pipeline.progress import track

Source = Callable[[str], Float[np.ndarray, "h w"]]  # image id to map in [0, 1]
Step = Mapping[str, Source]

COMPARED = ("mae", "f_at_half", "weighted_f", "s_measure", "iou_at_half")


class ImageScore(NamedTuple):
    """The scores of one image's map."""

    source: str
    image: str
    scores: dict[str, float]


class Gain(NamedTuple):
    """A source minus one of the step before: mean difference of a score over images, and its 95 % interval."""

    source: str
    before: str
    score: str
    difference: float
    low: float
    high: float


def stored_maps(path: Path) -> Source:
    """The maps of a packed file."""
    maps = Packed(path, "maps")
    return lambda image_id: decode_map(maps[maps.index(image_id)])


def mean_maps(sources: Sequence[Source]) -> Source:
    """The plain mean of several sources."""
    return lambda image_id: np.mean([source(image_id) for source in sources], axis=0)


def binary_maps(path: Path) -> Source:
    """Masks as maps of 0 and 1; a rejected image has an empty one."""
    masks = MaskStore(path)
    return lambda image_id: masks[masks.index(image_id)].astype(np.float32)


def sources_of(steps: Sequence[Step]) -> dict[str, Source]:
    """The sources of all steps, in order."""
    return {name: source for step in steps for name, source in step.items()}


def score_splits(
    steps: Sequence[Step], images: Packed, truth: Packed, settings: ScoreSaliency, seed: int
) -> tuple[dict[str, dict[str, dict[str, int | float]]], dict[str, pd.DataFrame]]:
    """The scores of every source by split, and as tables: `scores`, `images` (those of every image) and `gains`."""
    scores, by_image, compared = {}, [], []
    for split in images.split_names or ["all"]:
        ids = [images.ids[i] for i in images.split(split)]
        scores[split], found = score_steps(steps, truth, ids, settings.beta_squared)
        by_image += [{"split": split, "source": row.source, "image": row.image, **row.scores} for row in found]
        compared += [(split, *gain) for gain in gains(steps, found, seed, settings.draws)]
    rows = [{"split": split, "source": name, **row} for split in scores for name, row in scores[split].items()]
    differences = pd.DataFrame(compared, columns=pd.Index(["split", *Gain._fields]))
    return scores, {"scores": pd.DataFrame(rows), "images": pd.DataFrame(by_image), "gains": differences}


def score_steps(
    steps: Sequence[Step], truth: Packed, ids: Iterable[str], beta_squared: float
) -> tuple[dict[str, dict[str, int | float]], list[ImageScore]]:
    """Scores of every source by name, and of every image, on those images of `ids` that have ground truth.

    Raises InputError for ground truth that ignores every pixel, and for a map of another size than its ground truth.
    """
    sources = sources_of(steps)
    scores = {name: SaliencyScores(beta_squared) for name in sources}
    images = []
    for image_id in track(sorted(set(ids).intersection(truth.ids)), "score maps"):
        labels = decode_labels(truth[truth.index(image_id)])
        if (labels == IGNORED).all():
            raise InputError(f"{truth.path} ignores every pixel (255) of {image_id}; take the image out of the set")
        ground = GroundTruth(labels)
        for name, source in sources.items():
            saliency = source(image_id)
            if saliency.shape != labels.shape:
                raise InputError(
                    f"the {name} map of {image_id} has size {saliency.shape} and its ground truth in {truth.path} "
                    f"{labels.shape}; pack images and labels of one size"
                )
            images.append(ImageScore(name, image_id, scores[name].add(saliency, ground)))
    return {name: each.summary() for name, each in scores.items()}, images


def gains(steps: Sequence[Step], images: Sequence[ImageScore], seed: int, draws: int) -> Iterator[Gain]:
    """What each step adds to the one before, by paired bootstrap over the images; more is better but for `mae`."""
    # Every source has the same images in the same order, so that values pair by position.
    values: dict[str, list[dict[str, float]]] = {}
    for found in images:
        values.setdefault(found.source, []).append(found.scores)
    for earlier, later in itertools.pairwise(steps):
        for source, before, score in itertools.product(later, earlier, COMPARED if images else ()):
            a, b = ([scores[score] for scores in values[name]] for name in (source, before))
            yield Gain(source, before, score, *paired_bootstrap(a, b, seed, draws))
