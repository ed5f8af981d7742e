"""One training on several processes: each has an equal part of every batch, and all get the same gradient.

Losses are sums of the parts' losses, so gradients are summed too, not averaged. In one process all this does nothing.
"""

from collections.abc import Sequence
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pipeline.errors import InputError
from pipeline.launch import processes, rank

Item = TypeVar("Item")
Network = TypeVar("Network", bound=nn.Module)


def own_part(batch: Sequence[Item]) -> list[Item]:
    """The items of a batch that fall to this process; InputError when not all processes would get as many."""
    size, left = divmod(len(batch), processes())
    if left:
        raise InputError(
            f"a batch of {len(batch)} images cannot be shared equally by {processes()} processes; choose a multiple as "
            "the stage's batch in params.yaml, or another MASKCONTRAST_PROCESSES"
        )
    return list(batch[rank() * size : (rank() + 1) * size])


@torch.no_grad()
def gathered(part: Shaped[Tensor, "..."]) -> Shaped[Tensor, "p ..."]:
    """The tensors of all processes, by rank, without a gradient."""
    if not dist.is_initialized():
        return part[None]
    parts = [torch.empty_like(part) for _ in range(processes())]
    dist.all_gather(parts, part.contiguous())
    return torch.stack(parts)


def summed(part: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The sum over all processes; its gradient is that of this process's part."""
    if not dist.is_initialized():
        return part
    total = part.detach().clone()
    dist.all_reduce(total)
    return part + (total - part.detach())


def dealt(part: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "b ..."]:
    """As many items of the whole batch, dealt round like cards: from all processes in turn, without a gradient."""
    return gathered(part).flatten(0, 1)[rank() :: processes()]


def undealt(part: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "p b ..."]:
    """What all processes have made of dealt items, by the process that each item came from."""
    return gathered(part).transpose(0, 1).reshape(processes(), *part.shape)


def averaged(part: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The mean over all processes, for means over parts of equal size; its gradient is that of this part's share."""
    return summed(part / processes())


def with_common_statistics(network: Network, device: torch.device) -> Network:
    """The network with batch norms that see the batches of all processes; InputError where PyTorch has none."""
    if processes() == 1:
        return network
    if device.type == "cpu":
        raise InputError("batch statistics can be synchronised between GPUs only; set pretrain.batchnorm to shuffled")
    # Unlike PyTorch's, it keeps the activations that timm puts into its batch norms.
    from timm.layers.norm_act import convert_sync_batchnorm

    return cast(Network, convert_sync_batchnorm(network))


def shared(network: nn.Module) -> nn.Module:
    """What to call in place of a network whose gradients are to be the sums over all processes.

    Before every call all processes take the buffers of the first.
    """
    if processes() == 1:
        return network
    replica = DistributedDataParallel(network)
    replica.register_comm_hook(None, _sum)
    return replica


def _sum(
    _: object,
    bucket: dist.GradBucket,  # pyright: ignore[reportPrivateImportUsage]
) -> torch.futures.Future[Tensor]:
    work = dist.all_reduce(bucket.buffer(), async_op=True)
    assert work is not None
    return work.get_future().then(lambda done: done.value()[0])


def first_decides(choice: bool) -> bool:
    """What the first process chose, lest some do what others wait for."""
    if not dist.is_initialized():
        return choice
    chosen = torch.tensor(choice)
    dist.broadcast(chosen, src=0)
    return bool(chosen)
