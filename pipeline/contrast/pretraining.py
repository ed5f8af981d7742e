"""MaskContrast pretraining (paper sections 3 and 4.1): two encoders, a queue, and the loop over pairs of views."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.data import DataLoader

from pipeline.contrast.encoder import Encoder
from pipeline.contrast.encoder_start import starting_encoder
from pipeline.contrast.loss import balanced_saliency_loss, contrastive_loss, plain_saliency_loss
from pipeline.contrast.momentum import key_copy, update_key
from pipeline.contrast.precision import encode, prepare
from pipeline.contrast.prototype_queue import PrototypeQueue
from pipeline.contrast.prototypes import pool_pixels
from pipeline.contrast.watch import embedding_std, fault_finder
from pipeline.errors import InputError
from pipeline.history import History
from pipeline.images.datasets import ImageSet, shuffled_batches
from pipeline.images.view_pairs import ViewPair, ViewPairs
from pipeline.images.views import on_device
from pipeline.launch import processes, rank
from pipeline.mask_store import MaskStore
from pipeline.params import Pretrain
from pipeline.progress import Speed
from pipeline.runtime import cache_bytes, log, workers
from pipeline.scratch import IN_MEMORY, Scratch
from pipeline.seeding import generator, seed_torch
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.distributed import (
    averaged,
    dealt,
    gathered,
    own_part,
    shared,
    undealt,
    with_common_statistics,
)
from pipeline.training.loop import train_epochs
from pipeline.training.schedules import poly, warmup
from pipeline.training.watch import Watch


class MaskContrast(nn.Module):
    """Query encoder, key encoder and queue; called with the two views of a batch, it returns the losses."""

    def __init__(self, query: Encoder, settings: Pretrain, seed: int) -> None:
        super().__init__()
        self.settings = settings
        self.query, self.key = query, key_copy(query)
        self.queue = PrototypeQueue(settings.queue, settings.encoder.embedding_dim, generator(seed, "queue"))

    def forward(
        self,
        query_images: Float[Tensor, "b 3 s s"],
        query_masks: Bool[Tensor, "b s s"],
        key_images: Float[Tensor, "b 3 s s"],
        key_masks: Bool[Tensor, "b s s"],
    ) -> dict[str, Tensor]:
        """One step up to the loss, in the order of Algorithm 1: the key moves before it is used, the queue after.

        Each process brings its part of the batch, and gets the losses of all of it with the gradients of its part.
        """
        settings = self.settings
        if not settings.augmented_views:
            key_images, key_masks = query_images, query_masks
        embeddings, saliency = encode(self.query, query_images)
        with torch.no_grad():
            update_key(self.key, self.query, settings.momentum)
            prototypes = self._prototypes(key_images, key_masks)
        others = [part for i, part in enumerate(prototypes) if i != rank()] if settings.negatives == "global" else []
        negatives = torch.cat([*others, self.queue.prototypes])
        contrastive, accuracy = contrastive_loss(
            embeddings, query_masks, prototypes[rank()], negatives, settings.temperature, settings.class_balance
        )
        saliency_loss = balanced_saliency_loss if settings.saliency_balance else plain_saliency_loss
        saliency = saliency_loss(saliency, query_masks)
        self.queue.enqueue(prototypes.flatten(0, 1))
        return {
            "loss": settings.contrastive_weight * contrastive + settings.saliency_weight * saliency,
            "contrastive": contrastive,
            "saliency": saliency,
            "accuracy": accuracy,
            "embedding_std": embedding_std(embeddings, query_masks),
            "foreground": averaged(query_masks.float().mean()),
        }

    def _prototypes(
        self, images: Float[Tensor, "b 3 s s"], masks: Bool[Tensor, "b s s"]
    ) -> Float[Tensor, "p b {self.settings.encoder.embedding_dim}"]:
        """Those of the parts of all processes, by rank."""
        # As MoCo does, keys are shuffled over processes, lest batch statistics tell which query belongs to which key.
        # One process has one batch, and nothing to shuffle with. The order of images is random as it is.
        spread, collect = (dealt, undealt) if self.settings.batchnorm == "shuffled" else (lambda part: part, gathered)
        keys = encode(self.key, spread(images))[0]
        return collect(pool_pixels(keys, spread(masks).to(keys.dtype)))


def pretrain(
    images: ImageSet,
    masks: MaskStore,
    start: Path,
    settings: Pretrain,
    seed: int,
    device: torch.device,
    scratch: Scratch = IN_MEMORY,
) -> tuple[Encoder, dict[str, object], History]:
    """Train on the images of `settings.split` that have a mask; the query encoder, a summary, and the epochs' losses.

    With 0 epochs the published encoder of `settings.weights` is used as it is, and masks do not count.
    Raises InputError when fewer than two images have a mask, or the weights do not fit.
    """
    images.require_ids(masks)
    split = images.split(settings.split)
    indices = split[~masks.rejected[split]]
    summary = {"images": len(split), "used": len(indices), "without_mask": len(split) - len(indices)}
    if settings.epochs and len(indices) < 2:
        raise InputError(
            f"{masks.path} has masks for {len(indices)} of the {len(split)} images of split {settings.split!r} and "
            "pretraining needs 2; results/extract_masks/rejected.csv tells what was wrong with each"
        )
    seed_torch(seed, "encoder")
    encoder = starting_encoder(start, settings)
    if not settings.epochs:
        return encoder, {**summary, "used": 0, "epoch": 0}, History()
    if settings.batchnorm == "synchronised":
        encoder = with_common_statistics(encoder, device)
    # Before the key encoder is copied from it, which then has the same stages frozen.
    encoder.deeplab.backbone.freeze_stages(settings.frozen_stages)
    model = MaskContrast(encoder, settings, seed).to(device).train()
    prepare(model.query, device)
    prepare(model.key, device)
    seed_torch(seed, "dropout", rank())
    views = ViewPairs(images, masks, indices, settings.views, seed, cache_bytes())
    history = _train(model, views, settings, seed, device, Checkpoint(scratch, model=model))
    return encoder, {**summary, **history.rows[-1]}, history


def _train(
    model: MaskContrast,
    views: ViewPairs,
    settings: Pretrain,
    seed: int,
    device: torch.device,
    checkpoint: Checkpoint,
) -> History:
    def batches(epoch: int) -> list[list[int]]:
        views.set_epoch(epoch)
        order = generator(seed, "order", epoch)
        # A small last batch would have other negatives and batch statistics than the rest.
        return shuffled_batches(np.arange(len(views)), settings.batch, order, keep_last=len(views) < settings.batch)

    def load(chosen: Sequence[list[int]]) -> DataLoader:
        own = [own_part(batch) for batch in chosen]
        return DataLoader(views, batch_sampler=own, num_workers=workers(), pin_memory=device.type == "cuda")

    def step(batch: ViewPair) -> dict[str, Tensor]:
        query, key = (on_device(views, settings.views, device) for views in (batch.query, batch.key))
        replaced = torch.as_tensor(batch.replaced).float()
        speed.count(len(replaced) * processes())
        return network(*query, *key) | {"replaced": averaged(replaced.mean())}

    def named(batch: list[int]) -> str:
        # Those shown, which are not those asked for where the mask of one fits no views.
        return ", ".join(views.images.ids[views[i].shown] for i in batch)

    network = shared(model)
    steps_per_epoch = max(1, len(views) // settings.batch)

    def schedule(_: float, step: int) -> float:
        # Poly falls from epoch to epoch, as in the authors' code, not from step to step.
        return poly(step // steps_per_epoch / settings.epochs) * warmup(step, settings.warmup_steps)

    history, speed, watch = History(), Speed(), Watch(fault_finder(settings), named)
    optimizer = _optimizer(model.query, settings)
    epochs = settings.epochs
    for _ in train_epochs(batches, step, optimizer, epochs, history, "pretrain", schedule, load, checkpoint, watch):
        row = ", ".join(f"{name} {value:.4g}" for name, value in history.rows[-1].items())
        log.info("pretrain: %s, %.1f images/s", row, speed.restart())
    return history


def _optimizer(query: Encoder, settings: Pretrain) -> torch.optim.SGD:
    """SGD on all that is not frozen; the backbone, already trained, may learn at another rate than the new layers."""
    backbone = [parameter for parameter in query.deeplab.backbone.parameters() if parameter.requires_grad]
    new = [parameter for name, parameter in query.named_parameters() if not name.startswith("deeplab.backbone.")]
    groups = [{"params": backbone, "lr": settings.learning_rate * settings.backbone_rate_factor}, {"params": new}]
    return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9, weight_decay=settings.weight_decay)
