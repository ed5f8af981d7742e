"""Trainings that are stopped again and again, as a killed process would be, until they come to their end."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from pipeline.training import loop

T = TypeVar("T")


class Interrupted(BaseException):
    """Stands in for a kill: nothing catches it."""


def until_done(run: Callable[[], T], steps: int, monkeypatch: pytest.MonkeyPatch) -> tuple[T, int]:
    """What `run` returns once no more than `steps` steps are left for it, and how often it was stopped before.

    Each attempt is stopped within step `steps`, when the network has learned from the batch and nothing was saved yet.
    """
    update, done = loop._update, 0

    def stopping(*arguments):
        nonlocal done
        scalars = update(*arguments)
        done += 1
        if done == steps:
            raise Interrupted
        return scalars

    monkeypatch.setattr(loop, "_update", stopping)
    for stops in range(1000):
        done = 0
        try:
            return run(), stops
        except Interrupted:
            pass
    raise AssertionError("no progress")
