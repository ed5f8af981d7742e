"""The one training loop: epochs of steps, a schedule, a progress bar, a history."""

import math
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.history import History
from pipeline.progress import track

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
    The mean of each scalar over the epoch becomes a row of `history`. A scalar that is not finite raises
    InputError with the epoch and the step once that epoch is over.
    """
    initial = [group["lr"] for group in optimizer.param_groups]
    done = 0
    for epoch in range(epochs):
        loader = batches(epoch)
        steps: list[dict[str, Tensor]] = []
        for batch in track(loader, f"{description} {epoch + 1}/{epochs}", total=len(loader), unit="batch"):
            factor = schedule(done / (epochs * len(loader)), done)
            for group, rate in zip(optimizer.param_groups, initial, strict=True):
                group["lr"] = rate * factor
            steps.append(_update(step, batch, optimizer))
            done += 1
        history.add(epoch=epoch + 1, **_means(steps, f"{description}, epoch {epoch + 1}"))
        yield epoch


def _update(
    step: Callable[[Batch], dict[str, Tensor]], batch: Batch, optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    optimizer.zero_grad(set_to_none=True)
    scalars = step(batch)
    scalars["loss"].backward()
    optimizer.step()
    return {name: value.detach() for name, value in scalars.items()}


def _means(steps: list[dict[str, Tensor]], where: str) -> dict[str, float]:
    """The mean of each scalar over an epoch's steps; InputError for the first one that is not finite."""
    means = {}
    for name in steps[0] if steps else ():
        # Only now, since a look at a step's value would have kept the GPU from running ahead.
        values = torch.stack([scalars[name] for scalars in steps]).cpu()
        for number, value in enumerate(values.tolist(), 1):
            if not math.isfinite(value):
                raise InputError(f"{where}, step {number}: {name} is {value}; lower the learning rate")
        means[name] = float(sum(values)) / len(steps)
    return means
