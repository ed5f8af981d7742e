import torch
from torch import nn

from pipeline.contrast.momentum import key_copy, update_key
from pipeline.networks.backbone import Backbone


def moved(query: nn.Module) -> None:
    """As an optimiser's step would: every parameter grows by one."""
    with torch.no_grad():
        for parameter in query.parameters():
            parameter += 1


def test_keys_do_not_move_when_query_weights_change():
    query = nn.Conv2d(3, 4, 1)
    key, images = key_copy(query), torch.randn(2, 3, 5, 5)
    before = key(images)
    moved(query)
    assert key(images).equal(before)
    update_key(key, query, 0.9)
    assert not key(images).equal(before)


def test_key_follows_the_closed_form_of_the_moving_average():
    query = nn.Linear(1, 1)
    key, start = key_copy(query), query.weight.detach().clone()
    moved(query)
    for _ in range(10):
        update_key(key, query, 0.9)
    # After n updates towards a fixed query, the distance has shrunk by momentum ** n.
    torch.testing.assert_close(key.weight, start + 1 - 0.9**10)


def test_key_has_no_gradient_and_the_query_keeps_its_own():
    query = nn.Linear(2, 2)
    assert not any(parameter.requires_grad for parameter in key_copy(query).parameters())
    assert all(parameter.requires_grad for parameter in query.parameters())


def test_batch_norm_statistics_are_not_copied():
    query = nn.BatchNorm2d(2)
    key = key_copy(query)
    query(torch.randn(4, 2, 3, 3) + 5)
    update_key(key, query, 0.0)
    assert key.running_mean is not None
    assert key.running_mean.tolist() == [0, 0]


def test_frozen_stages_stay_frozen_and_equal_in_the_key():
    query = Backbone("lcnet_050", 8)
    query.freeze_stages(2)
    key = key_copy(query)
    before = {name: value.clone() for name, value in query.named_parameters() if not value.requires_grad}
    assert before
    with torch.no_grad():
        for parameter in query.parameters():
            if parameter.requires_grad:
                parameter += 1
    update_key(key.train(), query.train(), 0.5)
    assert all(dict(key.named_parameters())[name].equal(value) for name, value in before.items())
    assert key.frozen
    assert not any(module.training for module in key.frozen)
    assert not {id(module) for module in key.frozen} & {id(module) for module in query.frozen}
