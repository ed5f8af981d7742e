"""The one training loop: epochs of steps, a schedule, a progress bar, a history."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.history import History
from pipeline.progress import track
from pipeline.runtime import log
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.watch import Watch

Batch = TypeVar("Batch")


@dataclass
class Position:
    """Where a training stands: whole epochs, steps of all epochs, and the scalars of the steps of this epoch."""

    epochs: int = 0
    steps: int = 0
    scalars: dict[str, list[Tensor]] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """How many batches of this epoch are done."""
        return len(next(iter(self.scalars.values()), []))

    def step(self, scalars: dict[str, Tensor]) -> None:
        """Count a step."""
        self.steps += 1
        for name, value in scalars.items():
            self.scalars.setdefault(name, []).append(value.detach())

    def state_dict(self) -> dict[str, Any]:
        """The position; scalars of many steps as one tensor each."""
        scalars = {name: _stacked(values) for name, values in self.scalars.items()}
        return {"epochs": self.epochs, "steps": self.steps, "scalars": scalars}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand there instead."""
        self.epochs, self.steps = state["epochs"], state["steps"]
        self.scalars = {name: list(values) for name, values in state["scalars"].items()}


def train_epochs(
    batches: Callable[[int], Sequence[Any]],
    step: Callable[[Any], dict[str, Tensor]],
    optimizer: torch.optim.Optimizer,
    epochs: int,
    history: History,
    description: str,
    schedule: Callable[[float, int], float],
    load: Callable[[Sequence[Any]], Iterable[Any]] = iter,
    checkpoint: Checkpoint | None = None,
    watch: Watch = Watch(),
) -> Iterator[int]:
    """Train, and yield each epoch's index once it is over; the caller does there what belongs between epochs.

    `batches(epoch)` says what the epoch's batches are and `load` reads such batches; `step(batch)` returns named
    scalars of which `loss` is minimised; `schedule(progress, step)` is the factor on every group's initial learning
    rate, with progress in [0, 1). The mean of each scalar over the epoch becomes a row of `history`. A scalar or a
    weight that is not finite, and whatever else `watch` calls a fault, raises InputError with the epoch, the step and
    the last good checkpoint, once that epoch is over or a checkpoint is due: what is faulty is never saved.

    `checkpoint` holds all that learns and all that the caller changes between epochs; optimizer and history join it.
    It is saved after every epoch, once the caller is done there, and when due in between. A training that was
    interrupted goes on from its last batch saved, and epochs that were over then are not yielded again.
    """
    initial = [group["lr"] for group in optimizer.param_groups]
    checkpoint, at = checkpoint or Checkpoint(), Position()
    checkpoint.parts.update(optimizer=optimizer, history=history, position=at)
    if checkpoint.restore():
        log.info("%s: resumes after epoch %d of %d and %d batches more", description, at.epochs, epochs, at.batch)
    for epoch in range(at.epochs, epochs):
        chosen, where = batches(epoch), f"{description}, epoch {epoch + 1}"
        # A loader draws a number for itself when it starts; that of an epoch which goes on has done so already.
        with torch.random.fork_rng(devices=[], enabled=at.batch > 0):
            left = iter(load(chosen[at.batch :]))
        for batch in track(left, f"{description} {epoch + 1}/{epochs}", len(chosen) - at.batch, "batch"):
            factor = schedule(at.steps / (epochs * len(chosen)), at.steps)
            for group, rate in zip(optimizer.param_groups, initial, strict=True):
                group["lr"] = rate * factor
            at.step(_update(step, batch, optimizer))
            if checkpoint.due:
                _require_sound(at, chosen, optimizer, watch, checkpoint, where)
                checkpoint.save()
        _require_sound(at, chosen, optimizer, watch, checkpoint, where)
        history.add(epoch=epoch + 1, **_means(at.scalars))
        at.epochs, at.scalars = epoch + 1, {}
        yield epoch
        checkpoint.save()


def _update(
    step: Callable[[Batch], dict[str, Tensor]], batch: Batch, optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    optimizer.zero_grad(set_to_none=True)
    scalars = step(batch)
    scalars["loss"].backward()
    optimizer.step()
    return scalars


def _require_sound(
    at: Position,
    batches: Sequence[Any],
    optimizer: torch.optim.Optimizer,
    watch: Watch,
    checkpoint: Checkpoint,
    where: str,
) -> None:
    """InputError for the first fault in this epoch; seldom asked, as a look at values makes a GPU wait."""
    steps = {name: _stacked(scalars).tolist() for name, scalars in at.scalars.items()}
    weights = [weight.detach() for group in optimizer.param_groups for weight in group["params"]]
    if fault := watch.first_fault(steps, batches, weights):
        kept = f"; the last good checkpoint is {checkpoint.kept}" if checkpoint.kept else ""
        raise InputError(f"{where}, {fault}{kept}")


def _means(steps: dict[str, list[Tensor]]) -> dict[str, float]:
    """The mean of each scalar over an epoch's steps."""
    return {name: float(sum(_stacked(scalars))) / len(scalars) for name, scalars in steps.items()}


def _stacked(scalars: list[Tensor]) -> Tensor:
    # After an interruption the first ones lie in memory and the others on the GPU.
    return torch.stack([value.cpu() for value in scalars])
