"""DeepUSPS phase 1: the maps of one prior, refined by a network that is trained on them.

One network shared by all images cannot fit the noise of each, so what it predicts while it learns is cleaner than what
it learns from. The pseudo-labels are the moving average of these predictions over the epochs, sharpened by a CRF; in
every further round they teach a fresh network.
"""

from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.errors import InputError
from pipeline.history import History
from pipeline.params import RefinePseudolabels
from pipeline.pseudolabels.crf import sharpen
from pipeline.pseudolabels.maps import to_bytes
from pipeline.pseudolabels.network import SoftTargets, fresh_network, train

# Refined maps are probabilities; a prior is not, and its threshold follows from its mean.
REFINED_THRESHOLD = 0.5


class MovingAverage:
    """Exponential moving average that starts at zero: `sum <- decay * sum + (1 - decay) * value`."""

    def __init__(self, decay: float) -> None:
        self.decay, self.updates, self.sum = decay, 0, torch.zeros(())

    def update(self, values: Float[Tensor, "n s s"]) -> None:
        """Take in one more value."""
        self.sum = self.decay * self.sum + (1 - self.decay) * values
        self.updates += 1

    @property
    def value(self) -> Float[Tensor, "n s s"]:
        """The average so far, freed of the zero it started at."""
        return self.sum / (1 - self.decay**self.updates)


def prior_threshold(prior: UInt8[Tensor, "n s s"], factor: float) -> float:
    """`factor` times the mean over all maps, in [0, 1]; InputError when no pixel of any map lies above it."""
    threshold = factor * float(prior.float().mean()) / 255
    if float(prior.max()) / 255 <= threshold:
        raise InputError(
            f"no pixel of the prior maps is above {threshold:.3f}, {factor} times their mean; look at the maps that "
            "compute_priors made, or lower refine_pseudolabels.threshold_factor"
        )
    return threshold


def refine(
    images: UInt8[Tensor, "n 3 s s"],
    prior: UInt8[Tensor, "n s s"],
    weights: Path,
    settings: RefinePseudolabels,
    seed: int,
    history: History,
) -> Float[Tensor, "n s s"]:
    """Pseudo-labels in [0, 1] of all images, from `settings.rounds` rounds of self-training on the prior's maps."""
    inputs = fresh_network(weights, settings, seed).inputs(images, settings.batch)
    targets, refined = SoftTargets(prior, prior_threshold(prior, settings.threshold_factor)), prior.float() / 255
    for number in range(1, settings.rounds + 1):
        network, log = fresh_network(weights, settings, seed, "refinement", number), History()
        predictions = train(network, inputs, [targets], settings, seed, f"round {number}", log)
        refined = average_predictions(predictions, images, settings)
        targets = SoftTargets(to_bytes(refined), REFINED_THRESHOLD)
        for row in log.rows:
            history.add(round=number, **row)
    return refined


def average_predictions(
    predictions: Iterable[Float[Tensor, "n s s"]], images: UInt8[Tensor, "n 3 s s"], settings: RefinePseudolabels
) -> Float[Tensor, "n s s"]:
    """Moving average of the last `averaged_epochs` of the epochs' predictions, each sharpened by the CRF."""
    average = MovingAverage(settings.moving_average)
    for epoch, saliency in enumerate(predictions):
        if epoch >= settings.epochs - settings.averaged_epochs:
            average.update(sharpen(images, saliency, settings.crf))
    return average.value
