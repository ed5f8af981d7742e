from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.history import History
from pipeline.pseudolabels.network import PseudolabelNetwork, SoftTargets, fresh_network, predict, train
from tests.pseudolabels.conftest import REFINE, SIZE, Discs

FROZEN = REFINE.model_copy(update={"frozen_backbone": True})


def parameters(module: torch.nn.Module) -> Tensor:
    return torch.cat([each.detach().flatten() for each in module.parameters()])


def train_once(network: PseudolabelNetwork, discs: Discs, **changes: float) -> list[Tensor]:
    """Train on the first 10 discs; the saliency yielded after every epoch."""
    settings = REFINE.model_copy(update={"epochs": 1, "frozen_backbone": network.frozen, **changes})
    inputs = network.inputs(discs.images[:10], batch=4)
    epochs = train(network, inputs, [SoftTargets(discs.truth[:10], 0.5)], settings, 0.003, 0, "test", History())
    return [saliency.clone() for _, saliency in epochs]


@pytest.mark.parametrize("size", [32, 48, 52])
def test_logits_have_the_size_of_the_images_whatever_the_strides(weights: Path, size: int):
    network = fresh_network(weights, REFINE.model_copy(update={"size": size}), 0)
    images = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    assert network(*network.inputs(images, batch=2)).shape == (2, size, size)


def test_cached_features_give_the_same_saliency_as_the_images(weights: Path, discs: Discs):
    network, frozen = fresh_network(weights, REFINE, 0), fresh_network(weights, FROZEN, 0)
    images = discs.images[:5]
    whole = predict(network, network.inputs(images, batch=2), batch=2)
    cached = predict(frozen, frozen.inputs(images, batch=2), batch=2)
    # An untrained network's maps are nearly flat: what they vary by must exceed the tolerance by far.
    torch.testing.assert_close(cached, whole, atol=1e-4, rtol=0)
    assert whole.std() > 2e-3


def test_frozen_backbone_keeps_weights_and_statistics_while_the_decoder_learns(weights: Path, discs: Discs):
    network, fresh = fresh_network(weights, FROZEN, 0), fresh_network(weights, FROZEN, 0)
    train_once(network, discs)
    for name, tensor in fresh.backbone.state_dict().items():
        assert torch.equal(network.backbone.state_dict()[name], tensor), name
    assert not torch.equal(parameters(network.decoder), parameters(fresh.decoder))


def test_backbone_learns_unless_it_is_frozen(weights: Path, discs: Discs):
    network, fresh = fresh_network(weights, REFINE, 0), fresh_network(weights, REFINE, 0)
    train_once(network, discs)
    assert not torch.equal(parameters(network.backbone), parameters(fresh.backbone))


def test_another_purpose_gives_another_decoder_on_the_same_backbone(weights: Path):
    first, again, second = (fresh_network(weights, REFINE, 0, "refinement", number) for number in (1, 1, 2))
    assert torch.equal(parameters(first), parameters(again))
    assert torch.equal(parameters(first.backbone), parameters(second.backbone))
    assert not torch.equal(parameters(first.decoder), parameters(second.decoder))


def test_predictions_do_not_depend_on_the_batch(weights: Path, discs: Discs):
    network = fresh_network(weights, REFINE, 0)
    alone, together = (predict(network, [discs.images[:7]], batch) for batch in (1, 7))
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)


def test_saliency_of_an_epoch_is_that_of_before_each_update(weights: Path, discs: Discs):
    # One batch of all images: what the epoch yields is the untrained network's saliency, in training mode.
    network = fresh_network(weights, REFINE, 0).train()
    before = network(discs.images[:10]).sigmoid().detach()
    (saliency,) = train_once(fresh_network(weights, REFINE, 0), discs, batch=10)
    torch.testing.assert_close(saliency, before, atol=1e-4, rtol=0)


def test_every_image_is_seen_every_epoch_also_when_the_last_batch_is_smaller(weights: Path, discs: Discs):
    # 10 images in batches of 4. A map that no batch has written would still be that of the epoch before.
    first, second = train_once(fresh_network(weights, REFINE, 0), discs, epochs=2, batch=4)
    assert first.shape == second.shape == (10, SIZE, SIZE)
    assert all(not torch.equal(*maps) for maps in zip(first, second, strict=True))


def test_the_loss_is_the_mean_over_the_targets(weights: Path, discs: Discs):
    settings = REFINE.model_copy(update={"epochs": 1, "batch": 10})
    one, other = (SoftTargets(maps[:10], 0.5) for maps in (discs.truth, 255 - discs.truth))

    def first_loss(*targets: SoftTargets) -> float:
        history = History()
        list(
            train(
                fresh_network(weights, settings, 0), [discs.images[:10]], targets, settings, 0.003, 0, "test", history
            )
        )
        return history.rows[0]["loss"]

    assert first_loss(one, other) == pytest.approx((first_loss(one) + first_loss(other)) / 2, abs=1e-5)
    assert abs(first_loss(one) - first_loss(other)) > 0.1
