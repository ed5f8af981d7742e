"""The choices of how to contrast, each against what it says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline import params
from pipeline.contrast.encoder import build_encoder
from pipeline.contrast.loss import balanced_saliency_loss, contrastive_loss, plain_saliency_loss
from pipeline.contrast.pretraining import MaskContrast, pretrain
from pipeline.contrast.prototypes import pool_pixels
from pipeline.images.datasets import ImageSet
from pipeline.mask_store import MaskStore
from tests.profiles import changed


@pytest.fixture
def settings(settings: params.Pretrain) -> params.Pretrain:
    """Two passes over the same images are to agree."""
    return changed(settings, encoder=changed(settings.encoder, dropout=0.0), class_balance=False)


def model_with(start: Path, settings: params.Pretrain, **changes: object) -> MaskContrast:
    """Of the same starting weights each time, in training, when batch statistics make images differ."""
    torch.manual_seed(0)
    return MaskContrast(build_encoder(start, settings.encoder), settings.model_copy(update=changes), 0).train()


def views(count: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(count)
    return torch.rand(count, 3, 48, 48), torch.rand(count, 48, 48) < 0.3


def test_prototypes_of_a_step_do_not_move_when_query_weights_change(start: Path, settings: params.Pretrain):
    model, enqueued = model_with(start, settings, momentum=1.0), []  # a key encoder that never follows
    for _ in range(2):
        model(*views(3), *views(3))
        enqueued.append(model.queue.prototypes.clone())
        with torch.no_grad():
            for parameter in model.query.parameters():
                parameter.uniform_(-1, 1)
    assert enqueued[0][:3].equal(enqueued[1][3:])


def test_without_momentum_the_key_encoder_is_the_query_encoder(start: Path, settings: params.Pretrain):
    model = model_with(start, settings, momentum=0.0)
    with torch.no_grad():
        for parameter in model.query.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    key_images, key_masks = views(4)
    model(*views(4), key_images, key_masks)
    assert model.queue.prototypes[:4].equal(pool_pixels(model.query(key_images)[0], key_masks.float()))


def test_without_augmented_views_the_positive_is_the_query_view(start: Path, settings: params.Pretrain):
    another = [tensor.flip(0) for tensor in views(3)]
    same_view = model_with(start, settings)(*views(3), *views(3))["contrastive"]
    assert model_with(start, settings, augmented_views=False)(*views(3), *another)["contrastive"] == same_view
    assert model_with(start, settings)(*views(3), *another)["contrastive"] != same_view


@pytest.mark.parametrize("balance", [True, False])
def test_saliency_is_learned_with_the_loss_asked_for(start: Path, settings: params.Pretrain, balance: bool):
    model, (images, masks) = model_with(start, settings, saliency_balance=balance), views(3)
    loss = balanced_saliency_loss if balance else plain_saliency_loss
    expected = loss(model.query(images)[1], masks)
    torch.testing.assert_close(model(images, masks, images, masks)["saliency"], expected)


def test_without_contrast_saliency_alone_is_learned(start: Path, settings: params.Pretrain):
    control = model_with(start, settings, contrastive_weight=0.0, saliency_weight=2.0)
    losses = control(*views(3), *views(3))
    losses["loss"].backward()
    assert losses["loss"] == 2 * losses["saliency"]
    assert not control.query.head.weight.grad.any()  # type: ignore[union-attr]
    assert control.query.saliency_head.weight.grad.any()  # type: ignore[union-attr]


@pytest.mark.parametrize("queue", [0, 6])
def test_alone_a_process_has_the_negatives_of_the_whole_batch(start: Path, settings: params.Pretrain, queue: int):
    one, other = (model_with(start, settings, queue=queue, negatives=scope) for scope in ("global", "local"))
    embeddings, masks, old = one.query(views(3)[0])[0], views(3)[1], one.queue.prototypes.clone()
    expected, _ = contrastive_loss(embeddings, masks, pool_pixels(embeddings, masks.float()), old, 0.5, False)
    assert one(*views(3), *views(3))["contrastive"] == expected
    assert other(*views(3), *views(3))["contrastive"] == expected


# Table 2b: augmented views, memory, momentum encoder.
@pytest.mark.parametrize(
    "row", [(False, 0, 0.0), (True, 0, 0.0), (True, 6, 0.0), (True, 6, 0.9)], ids=["none", "views", "memory", "all"]
)
def test_every_row_of_the_ablation_of_training_mechanisms_trains(
    row: tuple[bool, int, float], disc_images: Path, disc_masks: Path, start: Path, settings: params.Pretrain
):
    changes = dict(zip(("augmented_views", "queue", "momentum"), row, strict=True))
    chosen = changed(settings, **changes, epochs=1)
    _, _, history = pretrain(ImageSet(disc_images), MaskStore(disc_masks), start, chosen, 0, torch.device("cpu"))
    # An untrained network is at chance, the log of the number of prototypes to choose from: those of batch and queue.
    assert history.rows[0]["contrastive"] == pytest.approx(np.log(4 + row[1]), abs=0.4)
