"""Steps of pretraining on fixed batches, by as many processes as there are: losses, gradients and queues to a file.

Batch norms are frozen, since each process has its own statistics on a CPU.
"""

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


def main(settings_files: list[str], out: str) -> None:
    """A list of results, one for each settings."""
    found = [results(params.Pretrain.model_validate_json(Path(file).read_text())) for file in settings_files]
    if rank() == 0:
        torch.save(found, out)


def results(settings: params.Pretrain) -> dict[str, Tensor]:
    """Those of STEPS steps by name; the second has another queue and another key encoder than the first."""
    torch.manual_seed(0)
    model = MaskContrast(Encoder(Backbone("lcnet_050", 8), settings.encoder), settings, 0).train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    network, found = shared(model), {}
    optimizer = torch.optim.SGD(model.query.parameters(), 0.5)
    for step in range(STEPS):
        views = torch.rand(2, BATCH, 3, 1, 1) * torch.rand(2, BATCH, 3, SIZE, SIZE)
        masks = torch.rand(2, BATCH, SIZE, SIZE) < torch.rand(BATCH, 1, 1)
        mine = own_part(range(BATCH))
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
