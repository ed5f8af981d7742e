"""The linear probe: how far a 1x1 classifier gets on the features of a frozen network (paper section 4.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from pipeline.history import History
from pipeline.images.datasets import ImageSet, LabelSet, shuffled_batches
from pipeline.metrics.confusion import Confusion, mean_iou
from pipeline.metrics.spread import mean_and_std
from pipeline.params import ProbeLinear
from pipeline.scratch import IN_MEMORY, Scratch
from pipeline.seeding import generator
from pipeline.segmentation.frozen_features import FrozenFeatures
from pipeline.segmentation.label_batches import LabelledSquares, labelled_split
from pipeline.segmentation.label_crf import require_backend, score_after_crf
from pipeline.segmentation.linear_head import linear_heads, step_decay
from pipeline.segmentation.logit_strips import class_map
from pipeline.segmentation.pixel_classifier import score
from pipeline.segmentation.pixel_loss import pixel_cross_entropy
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import train_epochs


@dataclass(frozen=True)
class Probe:
    """What one seed gave.

    `confusions` are predicted (rows) against true classes in pixels of the test images at their original sizes: `last`
    of the last epoch, `best_on_val` of the epoch that was best on these very images, which is model selection on the
    test set, and `last_crf`, where a CRF is asked for. `losses` has a row an epoch; `validation` the mIoU in percent
    on the squares of the test images, by which the best epoch is chosen.
    """

    seed: int
    confusions: dict[str, Int64[np.ndarray, "c c"]]
    losses: History
    validation: History

    @property
    def confusion(self) -> Int64[np.ndarray, "c c"]:
        """The confusion of the last epoch."""
        return self.confusions["last"]


class BestEpoch:
    """The weights of the epoch with the highest mIoU so far; of equal ones the first."""

    def __init__(self) -> None:
        self.miou, self.weights = -1.0, {}

    def offer(self, miou: float, head: nn.Module) -> None:
        """Keep a copy of this epoch's weights if it is better."""
        if miou > self.miou:
            self.miou, self.weights = miou, {name: tensor.clone() for name, tensor in head.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """mIoU and weights."""
        return {"miou": self.miou, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Have these instead."""
        self.miou, self.weights = state["miou"], state["weights"]


def probe(
    network: nn.Module,
    images: ImageSet,
    labels: LabelSet,
    section: ProbeLinear,
    scratch: Scratch = IN_MEMORY,
) -> list[Probe]:
    """Train a head for every seed on the `train` split's features and score it on the `test` split.

    Raises InputError when a split is not labelled throughout, or the CRF asked for is not installed.
    """
    require_backend(section.crf)
    train, test = (
        FrozenFeatures(
            network, LabelledSquares(images, labels, labelled_split(images, labels, split), section.size),
            section, views, scratch,
        )
        for split, views in ((section.train, section.views), (section.test, 0))
    )  # fmt: skip
    heads = linear_heads(train, len(labels.classes), section.standardize, section.seeds)
    return [
        probe_seed(head, train, test, section, seed, scratch.inner(f"seed {seed}"))
        for seed, head in zip(section.seeds, heads, strict=True)
    ]


def probe_seed(
    head: nn.Module, train: FrozenFeatures, test: FrozenFeatures, section: ProbeLinear, seed: int, scratch: Scratch
) -> Probe:
    """Train one head and score its last and its best epoch."""
    losses, validation, best = train_head(head, train, test, section, seed, scratch)
    confusions = {"last": score(logits(head, test), test.squares).counts}
    if section.crf.backend != "none":
        confusions["last_crf"] = score_after_crf(logits(head, test), test.squares, section.crf).counts
    head.load_state_dict(best.weights)
    confusions["best_on_val"] = score(logits(head, test), test.squares).counts
    return Probe(seed, confusions, losses, validation)


@torch.no_grad()
def logits(head: nn.Module, features: FrozenFeatures) -> Iterator[Float[Tensor, "b c h w"]]:
    """Class logits of all images as they are, in order."""
    for maps, _ in features.passed(features.in_order()):
        yield head(maps)


def train_head(
    head: nn.Module, train: FrozenFeatures, test: FrozenFeatures, section: ProbeLinear, seed: int, scratch: Scratch
) -> tuple[History, History, BestEpoch]:
    """Train with SGD, momentum 0.9 and a rate cut to a tenth at every one of `decay_epochs`.

    Every `evaluate_every` epochs, and after the last, the head is scored on the test squares; returns the losses,
    these scores and the best epoch's weights. An epoch sees each image in one view, the next one in the next view.
    """
    optimizer = torch.optim.SGD(
        head.parameters(), lr=section.learning_rate, momentum=0.9, weight_decay=section.weight_decay
    )
    losses, validation, best = History(), History(), BestEpoch()
    steps = len(train.in_order())

    def batches(epoch: int) -> list[list[int]]:
        return shuffled_batches(np.array(train.view(epoch)), section.batch, generator(seed, "linear head", epoch))

    def step(batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        maps, labels = batch
        return {"loss": pixel_cross_entropy(head(maps), labels)}

    def decay(_: float, done: int) -> float:
        return step_decay(done // steps, section.decay_epochs)

    checkpoint = Checkpoint(scratch, head=head, validation=validation, best=best)
    for epoch in train_epochs(
        batches, step, optimizer, section.epochs, losses, "linear head", decay, train.passed, checkpoint
    ):
        if (epoch + 1) % section.evaluate_every == 0 or epoch + 1 == section.epochs:
            miou = 100 * mean_iou(square_confusion(head, test))
            validation.add(epoch=epoch + 1, miou=miou)
            best.offer(miou, head)
    return losses, validation, best


@torch.no_grad()
def square_confusion(head: nn.Module, features: FrozenFeatures) -> Int64[np.ndarray, "c c"]:
    """Confusion of the predictions on squares with square label maps, by which the official code chooses its epoch."""
    squares = features.squares
    confusion = Confusion(len(squares.classes), len(squares.classes))
    for maps, labels in features.passed(features.in_order()):
        for small, truth in zip(head(maps), labels, strict=True):
            confusion.add(class_map(small, squares.size).cpu().numpy(), truth.cpu().numpy())
    return confusion.counts


def mean_and_spread(probes: Sequence[Probe]) -> dict[str, Any]:
    """The number of seeds, and mean and sample standard deviation (0 for one seed) of every mIoU, in percent."""
    found: dict[str, Any] = {"seeds": len(probes)}
    for name in probes[0].confusions:
        found[name] = mean_and_std("miou", [100 * mean_iou(each.confusions[name]) for each in probes])
    return found
