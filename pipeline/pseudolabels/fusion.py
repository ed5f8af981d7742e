"""DeepUSPS phase 2: one network learns from the refined maps of all priors, and its predictions replace them."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.history import History
from pipeline.params import FusePseudolabels
from pipeline.pseudolabels.crf import sharpen
from pipeline.pseudolabels.network import SoftTargets, fresh_network, predict, train
from pipeline.scratch import IN_MEMORY, Scratch


def fuse(
    images: UInt8[Tensor, "n 3 s s"],
    unseen: UInt8[Tensor, "m 3 s s"],
    targets: Sequence[SoftTargets],
    weights: Path,
    settings: FusePseudolabels,
    seed: int,
    history: History,
    scratch: Scratch = IN_MEMORY,
) -> tuple[Float[Tensor, "n s s"], Float[Tensor, "m s s"]]:
    """Pseudo-labels in [0, 1] of the training images and of `unseen` ones.

    The maps are not averaged: each is a target of its own, and the network minimises the mean of the losses.
    """
    network = fresh_network(weights, settings, seed, "fusion")
    inputs = network.inputs(images, settings.batch, scratch)
    for _ in train(network, inputs, targets, settings, settings.learning_rate, seed, "fusion", history, scratch):
        pass
    fused = predict(network, inputs, settings.batch, scratch)
    scored = predict(network, network.inputs(unseen, settings.batch, scratch), settings.batch, scratch)
    if settings.crf_output:
        return sharpen(images, fused, settings.crf, scratch), sharpen(unseen, scored, settings.crf, scratch)
    return fused, scored
