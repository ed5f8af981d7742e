"""Steps of pretraining on fixed batches, by as many processes as there are: losses, gradients and queues to a file.

Batch norms are frozen unless asked otherwise, since each process has its own statistics on a CPU.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline import params
from pipeline.contrast.encoder import Encoder
from pipeline.contrast.pretraining import MaskContrast
from pipeline.launch import rank
from pipeline.networks.backbone import Backbone
from pipeline.training.distributed import own_part, shared

BATCH, SIZE, STEPS = 8, 48, 2


def main(settings_files: list[str], out: str, frozen: bool = True) -> None:
    """A list of results, one for each settings."""
    found = [results(params.Pretrain.model_validate_json(Path(file).read_text()), frozen) for file in settings_files]
    if rank() == 0:
        torch.save(found, out)


def fresh_model(settings: params.Pretrain, frozen: bool = True) -> MaskContrast:
    """The same at every call, which also seeds the views."""
    torch.manual_seed(0)
    model = MaskContrast(Encoder(Backbone("lcnet_050", 8), settings.encoder), settings, 0).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and frozen:
            module.eval()
    return model


def drawn_views() -> tuple[Tensor, Tensor]:
    """Images and masks of a whole batch, query views and key views."""
    images = torch.rand(2, BATCH, 3, 1, 1) * torch.rand(2, BATCH, 3, SIZE, SIZE)
    return images, torch.rand(2, BATCH, SIZE, SIZE) < torch.rand(BATCH, 1, 1)


def results(settings: params.Pretrain, frozen: bool = True, part: Sequence[int] = range(BATCH)) -> dict[str, Tensor]:
    """Those of STEPS steps by name, with this part of the batch; the second has another queue and key encoder."""
    model = fresh_model(settings, frozen)
    network, found = shared(model), {}
    optimizer = torch.optim.SGD(model.query.parameters(), 0.5)
    for step in range(STEPS):
        views, masks = drawn_views()
        mine = own_part(part)
        optimizer.zero_grad()
        losses = network(views[0, mine], masks[0, mine], views[1, mine], masks[1, mine])
        losses["loss"].backward()
        found |= {f"{step} {name}": value.detach() for name, value in losses.items()}
        found |= {
            f"{step} {name}": weight.grad.clone()
            for name, weight in model.query.named_parameters()
            if weight.grad is not None
        }
        found |= {f"{step} queue": model.queue.prototypes.clone(), f"{step} pointer": model.queue.pointer.clone()}
        optimizer.step()
    return found
