"""Training of BAS-Net on saliency maps (Qin et al., CVPR 2019, section 4.2; MaskContrast, section 3.1)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from pipeline.errors import InputError
from pipeline.history import History
from pipeline.images.datasets import ImageSet, MapSet, shuffled_batches
from pipeline.masks.basnet import BasNet
from pipeline.masks.loss import hybrid_loss
from pipeline.params import TrainBasnet
from pipeline.progress import track
from pipeline.runtime import device, workers
from pipeline.scratch import IN_MEMORY, Scratch
from pipeline.seeding import generator
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import train_epochs
from pipeline.training.schedules import poly


class Crops(Dataset[tuple[Tensor, Tensor]]):
    """Augmented images and targets, asked for by (epoch, index): each draw depends on both and on the seed."""

    def __init__(self, images: ImageSet, maps: MapSet, settings: TrainBasnet, seed: int) -> None:
        self.images, self.maps, self.settings, self.seed = images, maps, settings, seed

    def __getitem__(self, key: tuple[int, int]) -> tuple[Float32[Tensor, "3 crop crop"], Float32[Tensor, "crop crop"]]:
        epoch, i = key
        size, crop = self.settings.size, self.settings.crop
        rng = generator(self.seed, "BAS-Net crop", epoch, self.images.ids[i])
        top, left = rng.integers(0, size - crop, size=2, endpoint=True)
        window = (..., slice(top, top + crop), slice(left, left + crop))
        image = self.images.squared(i, size)[window]
        target = target_of(self.maps, i, self.settings)[window]
        return (image.flip(-1), target.flip(-1)) if rng.random() < 0.5 else (image, target)


def target_of(maps: MapSet, i: int, settings: TrainBasnet) -> Float32[Tensor, "size size"]:
    """The target of image i: its map, resized to the square; unless `soft`, 1 where that exceeds the threshold."""
    saliency = maps.squared(i, settings.size)
    return saliency if settings.targets == "soft" else (saliency > settings.target_threshold).float()


def with_object(maps: MapSet, settings: TrainBasnet) -> Int64[np.ndarray, " m"]:
    """Indices of the images whose map exceeds the threshold somewhere; the others teach nothing and are left out.

    Raises InputError when fewer than two are left.
    """
    threshold = settings.target_threshold
    found = [i for i in track(range(len(maps)), "targets") if (maps.squared(i, settings.size) > threshold).any()]
    if len(found) < 2:
        raise InputError(
            f"{maps.path}: {len(found)} of {len(maps)} maps exceed train_basnet.target_threshold "
            f"{threshold} somewhere, and 2 are needed; lower it or check the maps"
        )
    return np.array(found, dtype=np.int64)


def epoch_batches(indices: Int64[np.ndarray, " m"], batch: int, seed: int, epoch: int) -> list[list[tuple[int, int]]]:
    """Keys (epoch, index) of all images in random order; a single image left over joins the batch before it.

    Batch normalisation of one image with a 1x1 map, as the bridge has it at 32 px, would be undefined.
    """
    batches = shuffled_batches(indices, batch, generator(seed, "BAS-Net order", epoch))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [batches[-2] + batches[-1]]
    return [[(epoch, i) for i in members] for members in batches]


def train(
    network: BasNet,
    images: ImageSet,
    maps: MapSet,
    indices: Int64[np.ndarray, " m"],
    settings: TrainBasnet,
    seed: int,
    history: History,
    scratch: Scratch = IN_MEMORY,
) -> None:
    """Train `network` on the images `indices`, with Adam.

    A row of `history` holds the epoch's mean sum of the eight losses and the loss of the refined output.
    The paper keeps the rate constant over some hundred epochs. Poly decay serves short trainings better: 8 epochs
    of 120 images at width 16 lowered the MAE on 100 others from 0.177 and 0.180 to 0.155 and 0.156 (two seeds).
    """
    network.to(device()).train()
    crops = Crops(images, maps, settings, seed)

    def batches(epoch: int) -> list[list[tuple[int, int]]]:
        return epoch_batches(indices, settings.batch, seed, epoch)

    def load(chosen: Sequence[list[tuple[int, int]]]) -> DataLoader:
        return DataLoader(crops, batch_sampler=chosen, num_workers=workers())

    def step(batch: list[Tensor]) -> dict[str, Tensor]:
        pixels, targets = (tensor.to(device()) for tensor in batch)
        losses = hybrid_loss(network(pixels), targets)
        return {"loss": losses.sum(), "refined": losses[0]}

    def schedule(progress: float, _: int) -> float:
        return poly(progress)

    optimizer = torch.optim.Adam(parameter_groups(network, settings))
    checkpoint = Checkpoint(scratch, network=network)
    epochs = settings.epochs
    for _ in train_epochs(batches, step, optimizer, epochs, history, "BAS-Net", schedule, load, checkpoint):
        pass


def parameter_groups(network: BasNet, settings: TrainBasnet) -> list[dict[str, Any]]:
    """The encoder's backbone at its share of the learning rate, and all else at the rate itself."""
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter in network.named_parameters():
        groups[name.startswith("encoder.backbone.")].append(parameter)
    rate = settings.learning_rate
    return [
        {"params": groups[True], "lr": rate * settings.encoder_rate_factor},
        {"params": groups[False], "lr": rate},
    ]
