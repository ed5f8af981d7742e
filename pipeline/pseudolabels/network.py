"""The small network that pseudo-labels are learned with: a starting backbone, a light decoder, one logit a pixel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from pipeline.history import History
from pipeline.images.datasets import shuffled_batches
from pipeline.networks.backbone import Backbone, load_backbone
from pipeline.params import SaliencyNetwork
from pipeline.progress import track
from pipeline.pseudolabels.decoder import Decoder
from pipeline.pseudolabels.loss import pseudolabel_loss
from pipeline.runtime import device
from pipeline.scratch import IN_MEMORY, Scratch
from pipeline.seeding import generator, seed_torch
from pipeline.training.checkpoint import Checkpoint, Stateful
from pipeline.training.loop import train_epochs
from pipeline.training.schedules import poly

BACKBONE_STRIDE, DECODER_STRIDE = 16, 8


class PseudolabelNetwork(nn.Module):
    """Backbone and decoder. With a frozen backbone, features are computed once and only the decoder learns.

    The decoder reads every stage from stride 8 on, since the last stage alone describes classes, not places: with
    ImageNet weights a linear map finds salient objects far better in the stage before it.
    """

    def __init__(self, backbone: Backbone, size: int, frozen: bool) -> None:
        super().__init__()
        self.backbone, self.frozen = backbone, frozen
        self.levels = [i for i, stride in enumerate(backbone.strides) if stride >= DECODER_STRIDE]
        self.decoder = Decoder([backbone.channels[i] for i in self.levels], size)
        backbone.requires_grad_(not frozen)

    def inputs(self, images: UInt8[Tensor, "n 3 s s"], batch: int, scratch: Scratch = IN_MEMORY) -> list[Tensor]:
        """What `forward` reads, for all images: the images, or a frozen backbone's features of them (float16)."""
        if not self.frozen:
            return [images]
        self.backbone.eval()
        parts = track(images.split(batch), "features", unit="batch")
        return scratch.gather(len(images), map(self._kept_features, parts))

    @torch.inference_mode()
    def _kept_features(self, images: UInt8[Tensor, "b 3 s s"]) -> list[Tensor]:
        return [each.half().cpu() for each in self._features(images.to(device()))]

    def forward(self, *inputs: Tensor) -> Float[Tensor, "b s s"]:
        """Saliency logits of a batch of `inputs`."""
        maps = [each.float() for each in inputs] if self.frozen else self._features(*inputs)
        return self.decoder(*maps)

    def _features(self, images: UInt8[Tensor, "b 3 s s"]) -> list[Tensor]:
        maps = self.backbone(images.float() / 255)
        return [maps[i] for i in self.levels]


def fresh_network(weights: Path, settings: SaliencyNetwork, seed: int, *purpose: str | int) -> PseudolabelNetwork:
    """A network from the starting weights, its decoder from the random stream of `seed` and `purpose`."""
    seed_torch(seed, *purpose)
    backbone = load_backbone(weights, BACKBONE_STRIDE)
    return PseudolabelNetwork(backbone, settings.size, settings.frozen_backbone).to(device())


@torch.inference_mode()
def predict(
    network: PseudolabelNetwork, inputs: list[Tensor], batch: int, scratch: Scratch = IN_MEMORY
) -> Float[Tensor, "n s s"]:
    """Saliency in [0, 1] of all images, in evaluation mode."""
    network.eval()
    parts = zip(*(each.split(batch) for each in inputs), strict=True)
    predicted = ([network(*(each.to(device()) for each in part)).sigmoid().cpu()] for part in parts)
    return scratch.gather(len(inputs[0]), predicted)[0]


@dataclass(frozen=True)
class SoftTargets:
    """Pseudo-labels of all images in 255ths, and the `threshold` in [0, 1] above which they mean salient."""

    maps: UInt8[Tensor, "n s s"]
    threshold: float

    def loss(self, saliency: Float[Tensor, "b s s"], chosen: list[int], settings: SaliencyNetwork) -> Float[Tensor, ""]:
        """Loss of the `chosen` images' saliency in [0, 1]."""
        pseudolabel = self.maps[chosen].to(saliency.device).float() / 255
        return pseudolabel_loss(saliency, pseudolabel, self.threshold, settings.beta_squared, settings.confidence_rule)


def train(
    network: PseudolabelNetwork,
    inputs: list[Tensor],
    targets: Sequence[SoftTargets],
    settings: SaliencyNetwork,
    learning_rate: float,
    seed: int,
    purpose: str,
    history: History,
    scratch: Scratch = IN_MEMORY,
    **kept: Stateful,
) -> Iterator[tuple[int, Float[Tensor, "n s s"]]]:
    """Train on the mean of the losses against all `targets`; `purpose` names the random order and the progress bar.

    Yields after every epoch its index, and each image's saliency as it was computed during that epoch; the next one
    overwrites it. What the caller changes then is `kept` over interruptions together with the network.
    """
    images, side = targets[0].maps.shape[:2]
    saliency = scratch.tensor((images, side, side), torch.float32, "saliency")

    def step(chosen: list[int]) -> dict[str, Tensor]:
        batch = network(*(each[chosen].to(device()) for each in inputs)).sigmoid()
        saliency[chosen] = batch.detach().cpu()
        losses = [target.loss(batch, chosen, settings) for target in targets]
        return {"loss": torch.stack(losses).mean()}

    def batches(epoch: int) -> list[list[int]]:
        return shuffled_batches(np.arange(images), settings.batch, generator(seed, purpose, "batches", epoch))

    network.train()
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=learning_rate)
    checkpoint, epochs = Checkpoint(scratch, network=network, **kept), settings.epochs
    for epoch in train_epochs(
        batches, step, optimizer, epochs, history, purpose, lambda done, _: poly(done), checkpoint=checkpoint
    ):
        yield epoch, saliency
