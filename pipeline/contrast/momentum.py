"""The key encoder: a slowly moving average of the query encoder (MoCo, He et al. 2020, Eq. 2)."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def key_copy(query: Network) -> Network:
    """The key encoder at the start: equal to the query encoder in everything, without gradients."""
    return copy.deepcopy(query).requires_grad_(False)


@torch.no_grad()
def update_key(key: nn.Module, query: nn.Module, momentum: float) -> None:
    """Move the key's parameters: key = momentum * key + (1 - momentum) * query.

    Batch-norm statistics are not copied: the key encoder, in training mode too, gathers its own.
    """
    keys: list[Tensor] = list(key.parameters())
    queries: list[Tensor] = list(query.parameters())
    torch._foreach_lerp_(keys, queries, 1 - momentum)  # pyright: ignore[reportPrivateImportUsage]
