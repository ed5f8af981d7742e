"""What a training is watched for, so that it stops where it went wrong and keeps what was good of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Watch:
    """What one training is watched for beyond numbers that are not finite.

    `fault(scalars)` says what is wrong with the scalars of a step, and what to change; None when nothing is.
    `named(batch)` names what a batch holds, for the message; it is asked only then.
    """

    fault: Callable[[Mapping[str, float]], str | None] = lambda _: None
    named: Callable[[Any], str] = lambda _: ""

    def first_fault(
        self, steps: Mapping[str, Sequence[float]], batches: Sequence[Any], weights: Sequence[Tensor]
    ) -> str | None:
        """Where an epoch went wrong, and how; None when it did not.

        `steps` are the scalars of its steps so far by name, and `weights` what these steps led to.
        """
        done = list(zip(*steps.values(), strict=True))
        for number, values in enumerate(done, 1):
            scalars = dict(zip(steps, values, strict=True))
            if fault := _not_finite(scalars) or self.fault(scalars):
                return self._placed(number, batches, fault)
        # A gradient may overflow one step before the loss does.
        if done and not math.isfinite(torch.nn.utils.get_total_norm(weights)):
            return self._placed(len(done), batches, "weights are no longer finite; lower the learning rate")
        return None

    def _placed(self, number: int, batches: Sequence[Any], fault: str) -> str:
        named = self.named(batches[number - 1])
        return f"step {number}{named and f' ({named})'}: {fault}"


def _not_finite(scalars: Mapping[str, float]) -> str | None:
    wrong = (name for name, value in scalars.items() if not math.isfinite(value))
    return next((f"{name} is {scalars[name]}; lower the learning rate" for name in wrong), None)
