"""DeepUSPS phase 1: the maps of one prior, refined by a network that is trained on them.

One network shared by all images cannot fit the noise of each, so what it predicts while it learns is cleaner than what
it learns from. The pseudo-labels are the moving average of these predictions over the epochs, sharpened by a CRF; in
every further round they teach a fresh network.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.errors import InputError
from pipeline.history import History
from pipeline.params import RefinePseudolabels
from pipeline.pseudolabels.crf import sharpen
from pipeline.pseudolabels.maps import to_bytes
from pipeline.pseudolabels.network import SoftTargets, fresh_network, predict, train
from pipeline.scratch import IN_MEMORY, Scratch
from pipeline.sections.section import Prior

# Refined maps are probabilities; a prior is not, and its threshold follows from its mean.
REFINED_THRESHOLD = 0.5


class MovingAverage:
    """Exponential moving average `decay * average + (1 - decay) * value`, freed of the zero it would start at.

    It is written into two tensors by turns, so that an update that was interrupted leaves the one before it whole.
    """

    def __init__(self, decay: float, shape: Sequence[int], scratch: Scratch = IN_MEMORY) -> None:
        self.decay, self.updates = decay, 0
        self._turns = [scratch.tensor(shape, torch.float32, f"average{turn}") for turn in range(2)]

    def update(self, values: Float[Tensor, "n s s"]) -> None:
        """Take in one more value."""
        before = self.value
        self.updates += 1
        torch.lerp(before, values, (1 - self.decay) / (1 - self.decay**self.updates), out=self.value)

    @property
    def value(self) -> Float[Tensor, "n s s"]:
        """The average so far."""
        return self._turns[self.updates % 2]

    def state_dict(self) -> dict[str, int]:
        """The number of updates; the tensors are kept by the scratch area."""
        return {"updates": self.updates}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Stand where so many updates had led."""
        self.updates = state["updates"]


def prior_threshold(
    prior: UInt8[Tensor, "n s s"], name: str, thresholds: Mapping[Prior, float], factor: float
) -> float:
    """The threshold given for the prior of this `name`, else `factor` times the mean over all its maps; in [0, 1].

    Raises InputError when no pixel of any map lies above it.
    """
    given: dict[str, float] = {**thresholds}
    threshold = given.get(name, factor * float(prior.numpy().mean()) / 255)
    if float(prior.max()) / 255 <= threshold:
        raise InputError(
            f"no pixel of the {name} maps is above {threshold:.3f}, given for it or {factor} times their mean; look at "
            "the maps that compute_priors made, or lower refine_pseudolabels.thresholds or threshold_factor"
        )
    return threshold


def refine(
    images: UInt8[Tensor, "n 3 s s"],
    unseen: UInt8[Tensor, "m 3 s s"],
    prior: UInt8[Tensor, "n s s"],
    threshold: float,
    weights: Path,
    settings: RefinePseudolabels,
    seed: int,
    history: History,
    scratch: Scratch = IN_MEMORY,
) -> tuple[Float[Tensor, "n s s"], Float[Tensor, "m s s"]]:
    """Pseudo-labels in [0, 1] of the training images, from rounds of training that begin with the prior's maps.

    What exceeds `threshold` in the prior is salient. The last network also predicts the `unseen` images: what one
    network learned, without the average over epochs and without CRF.
    After an interruption, rounds that were over pass at once and the one that was not goes on from `scratch`.
    """
    network = fresh_network(weights, settings, seed)
    inputs = network.inputs(images, settings.batch, scratch)
    targets, refined = SoftTargets(prior, threshold), prior
    for number, rate in enumerate(settings.learning_rates, 1):
        network, log = fresh_network(weights, settings, seed, "refinement", number), History()
        purpose = f"round {number}"
        inner = scratch.inner(purpose)
        average = MovingAverage(settings.moving_average, prior.shape, inner)
        predictions = train(network, inputs, [targets], settings, rate, seed, purpose, log, inner, average=average)
        refined = average_predictions(predictions, average, images, settings, scratch)
        parts = ([to_bytes(part)] for part in refined.split(settings.batch))
        targets = SoftTargets(scratch.gather(len(refined), parts)[0], REFINED_THRESHOLD)
        for row in log.rows:
            history.add(round=number, **row)
    return refined, predict(network, network.inputs(unseen, settings.batch, scratch), settings.batch, scratch)


def average_predictions(
    predictions: Iterable[tuple[int, Float[Tensor, "n s s"]]],
    average: MovingAverage,
    images: UInt8[Tensor, "n 3 s s"],
    settings: RefinePseudolabels,
    scratch: Scratch = IN_MEMORY,
) -> Float[Tensor, "n s s"]:
    """Moving average of the last `averaged_epochs` of the epochs' predictions, each sharpened by the CRF."""
    for epoch, saliency in predictions:
        if epoch >= settings.epochs - settings.averaged_epochs:
            average.update(sharpen(images, saliency, settings.crf, scratch))
    return average.value
