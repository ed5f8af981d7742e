"""What two processes hand each other: items, statistics, negatives."""

from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.errors import InputError
from pipeline.launch import rank
from pipeline.training.distributed import dealt, own_part, undealt, with_common_statistics
from tests.training import ranks

CPU = torch.device("cpu")


def items_are_dealt_round_and_come_back() -> None:
    mine = torch.arange(3) + 10 * rank()
    # All six are 0, 1, 2, 10, 11, 12: every other one falls to a process.
    assert dealt(mine).tolist() == ([0, 2, 11], [1, 10, 12])[rank()]
    assert undealt(100 + dealt(mine)).tolist() == [[100, 101, 102], [110, 111, 112]]


def a_batch_is_shared_equally_or_not_at_all() -> None:
    assert own_part("abcd") == (["a", "b"], ["c", "d"])[rank()]
    with pytest.raises(InputError, match="a batch of 3 images cannot be shared equally by 2 processes"):
        own_part("abc")


def statistics_are_not_synchronised_on_a_cpu() -> None:
    with pytest.raises(InputError, match="set pretrain.batchnorm to shuffled"):
        with_common_statistics(nn.BatchNorm2d(3), CPU)


@pytest.mark.slow
def test_two_processes_deal_share_and_refuse(tmp_path: Path) -> None:
    ranks.run(everything, 2, tmp_path / "meeting")


def everything() -> None:
    items_are_dealt_round_and_come_back()
    a_batch_is_shared_equally_or_not_at_all()
    statistics_are_not_synchronised_on_a_cpu()


def test_one_process_keeps_its_items_and_its_batch_norms() -> None:
    network, items = nn.BatchNorm2d(3), torch.arange(3)
    assert with_common_statistics(network, CPU) is network
    assert dealt(items).equal(items)
    assert undealt(items)[0].equal(items)
    assert own_part("abc") == ["a", "b", "c"]
