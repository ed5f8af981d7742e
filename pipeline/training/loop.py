"""The one training loop: epochs of steps, a schedule, a progress bar, a history."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from pipeline.progress import History, track

Batch = TypeVar("Batch")


class SizedIterable(Sized, Iterable[Any], Protocol):
    """What a loader is: it has a length and can be iterated again every epoch."""


def train_epochs(
    batches: Callable[[int], SizedIterable],
    step: Callable[[Any], dict[str, Tensor]],
    optimizer: torch.optim.Optimizer,
    epochs: int,
    history: History,
    description: str,
    schedule: Callable[[float, int], float],
) -> Iterator[int]:
    """Train, and yield each epoch's index once it is over; the caller does there what belongs between epochs.

    `batches(epoch)` gives the epoch's batches; `step(batch)` returns named scalars of which `loss` is minimised;
    `schedule(progress, step)` is the factor on every group's initial learning rate, with progress in [0, 1).
    The mean of each scalar over the epoch becomes a row of `history`. A loss that is not finite raises
    FloatingPointError with the epoch and the step.
    """
    initial = [group["lr"] for group in optimizer.param_groups]
    done = 0
    for epoch in range(epochs):
        loader = batches(epoch)
        sums: dict[str, Tensor] = {}
        for batch in track(loader, f"{description} {epoch + 1}/{epochs}", total=len(loader), unit="batch"):
            factor = schedule(done / (epochs * len(loader)), done)
            for group, rate in zip(optimizer.param_groups, initial, strict=True):
                group["lr"] = rate * factor
            for name, value in _update(step, batch, optimizer).items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value
            done += 1
        means = {name: float(value) / max(1, len(loader)) for name, value in sums.items()}
        if not all(torch.isfinite(torch.tensor(value)) for value in means.values()):
            raise FloatingPointError(f"{description}: {means} in epoch {epoch + 1}; lower the learning rate")
        history.add(epoch=epoch + 1, **means)
        yield epoch


def _update(
    step: Callable[[Batch], dict[str, Tensor]], batch: Batch, optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    optimizer.zero_grad(set_to_none=True)
    scalars = step(batch)
    scalars["loss"].backward()
    optimizer.step()
    return {name: value.detach() for name, value in scalars.items()}
