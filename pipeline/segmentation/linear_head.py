"""The linear probe: how far a 1x1 classifier gets on the features of a frozen network (paper section 4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from pipeline.history import History
from pipeline.images.datasets import ImageSet, LabelSet, shuffled_batches
from pipeline.metrics.confusion import mean_iou
from pipeline.metrics.spread import mean_and_std
from pipeline.params import ProbeLinear
from pipeline.progress import track
from pipeline.runtime import device, workers
from pipeline.scratch import IN_MEMORY, Scratch
from pipeline.seeding import generator, seed_torch
from pipeline.segmentation.label_batches import LabelledSquares, labelled_split
from pipeline.segmentation.pixel_classifier import pixel_classifier, score
from pipeline.segmentation.pixel_loss import pixel_cross_entropy
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import train_epochs

KEPT_BYTES = 1 << 32
ROUNDING = 1e-5


class FrozenFeatures:
    """Feature maps of a frozen network for labelled squares: DeepLab's decoder map, or the last of a backbone's maps.

    The network is in evaluation mode and sees every image as it is (no flip, rotation or colour jitter), so an image
    always has the same features. They are computed once and kept in memory, 4 d (size / stride)^2 bytes an image
    (18 MB for 240 images of 128 x 12 x 12), when those of all images fit into `KEPT_BYTES`; otherwise on every pass.
    """

    def __init__(self, network: nn.Module, squares: LabelledSquares, batch: int) -> None:
        self.network, self.squares = network.eval().to(device()), squares
        self.kept: TensorDataset | None = None
        self.in_order = [list(range(len(squares)))[start : start + batch] for start in range(0, len(squares), batch)]
        first, _ = next(iter(self.batches([[0]])))
        found = self.maps(first)
        if found.nbytes * len(squares) <= KEPT_BYTES:
            self.kept = self._computed(found.shape[1:])

    def _computed(self, shape: torch.Size) -> TensorDataset:
        maps = torch.empty(len(self.squares), *shape)
        labels = torch.empty(len(self.squares), self.squares.size, self.squares.size, dtype=torch.uint8)
        passed = track(self.batches(self.in_order), "frozen features", unit="batch")
        for items, (images, truth) in zip(self.in_order, passed, strict=True):
            maps[items], labels[items] = self.maps(images).cpu(), truth
        return TensorDataset(maps, labels)

    def batches(self, order: Sequence[list[int]]) -> DataLoader:
        """Batches of items in the given order, each the input of `maps` and square label maps."""
        if self.kept is not None:
            return DataLoader(self.kept, batch_sampler=order)
        return DataLoader(self.squares, batch_sampler=order, num_workers=workers())

    @torch.no_grad()
    def maps(self, inputs: Float[Tensor, "b _ _ _"]) -> Float[Tensor, "b d h w"]:
        """The feature maps of a batch."""
        if self.kept is not None:
            return inputs.to(device())
        found = self.network(inputs.to(device()))
        return found if isinstance(found, Tensor) else found[-1]


class LinearHead(nn.Module):
    """A 1x1 classifier on features standardised to zero mean and a mean squared length of 1 per feature vector.

    Standardisation is an affine map of every channel, so the head represents what a plain 1x1 classifier does; but
    features of any scale and any number of channels then learn at the same learning rate, where the official protocol
    searches one for every network.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Float[Tensor, " d"], std: Float[Tensor, " d"], classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("scale", (std.isfinite().sum().clamp_min(1).sqrt() * std)[:, None, None])
        self.classifier = pixel_classifier(len(mean), classes)

    def forward(self, features: Float[Tensor, "b d h w"]) -> Float[Tensor, "b c h w"]:
        """Class logits at the size of the features."""
        return self.classifier((features - self.mean) / self.scale)


@dataclass(frozen=True)
class Probe:
    """What one seed gave: predicted (rows) against true classes in pixels of the test images, and the losses."""

    seed: int
    confusion: Int64[np.ndarray, "c c"]
    history: History


def probe(
    network: nn.Module,
    images: ImageSet,
    labels: LabelSet,
    section: ProbeLinear,
    scratch: Scratch = IN_MEMORY,
) -> list[Probe]:
    """Train a head for every seed on the `train` split's features and score it on the `test` split."""
    train, test = (
        FrozenFeatures(
            network, LabelledSquares(images, labels, labelled_split(images, labels, split), section.size), section.batch
        )
        for split in (section.train, section.test)
    )
    mean, std = channel_moments(train)
    probes = []
    for seed in section.seeds:
        seed_torch(seed, "linear head")
        head = LinearHead(mean, std, len(labels.classes)).to(device())
        history = train_head(head, train, section, seed, scratch.inner(f"seed {seed}"))
        logits = (head(test.maps(inputs)) for inputs, _ in test.batches(test.in_order))
        probes.append(Probe(seed, score(logits, test.squares).counts, history))
    return probes


def channel_moments(features: FrozenFeatures) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
    """Mean and standard deviation of every channel over all positions.

    A channel whose deviation is within rounding of zero gets an infinite one: standardised, it says nothing.
    """
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for inputs, _ in features.batches(features.in_order):
        maps = features.maps(inputs).transpose(0, 1).flatten(1).double()
        count, total, squares = count + maps.shape[1], total + maps.sum(1), squares + maps.square().sum(1)
    mean, power = total / count, squares / count
    std = (power - mean.square()).clamp_min(0).sqrt()
    return mean.float(), std.where(std > ROUNDING * power.sqrt(), torch.inf).float()


def train_head(
    head: LinearHead, features: FrozenFeatures, section: ProbeLinear, seed: int, scratch: Scratch
) -> History:
    """Train with SGD, momentum 0.9 and a rate cut to a tenth at every one of `decay_epochs`; returns the losses."""
    optimizer = torch.optim.SGD(
        head.parameters(), lr=section.learning_rate, momentum=0.9, weight_decay=section.weight_decay
    )
    items, history = np.arange(len(features.squares)), History()

    def batches(epoch: int) -> list[list[int]]:
        return shuffled_batches(items, section.batch, generator(seed, "linear head", epoch))

    def step(batch: list[Tensor]) -> dict[str, Tensor]:
        inputs, labels = batch
        return {"loss": pixel_cross_entropy(head(features.maps(inputs)), labels.to(device()))}

    def decay(_: float, step: int) -> float:
        return step_decay(step // len(features.in_order), section.decay_epochs)

    checkpoint, epochs = Checkpoint(scratch, head=head), section.epochs
    for _ in train_epochs(
        batches, step, optimizer, epochs, history, "linear head", decay, features.batches, checkpoint
    ):
        pass
    return history


def step_decay(epoch: int, decay_epochs: Sequence[int]) -> float:
    """The learning-rate factor of an epoch, counted from 0: a tenth for every one of `decay_epochs` reached."""
    return 0.1 ** sum(epoch >= reached for reached in decay_epochs)


def mean_and_spread(probes: Sequence[Probe]) -> dict[str, float | int]:
    """Mean and sample standard deviation (0 for one seed) of mIoU over the seeds, in percent."""
    values = [100 * mean_iou(found.confusion) for found in probes]
    return {"seeds": len(values), **mean_and_std("miou", values)}
