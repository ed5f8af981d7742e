import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.history import History
from pipeline.scratch import Scratch
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import Position, train_epochs
from pipeline.training.watch import Watch


class Quadratic(nn.Module):
    """Half of w squared: its gradient is w, so plain descent multiplies w by 1 - rate."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(1.0))

    def step(self, batch: float) -> dict[str, Tensor]:
        loss = 0.5 * self.w**2
        return {"loss": loss, "seen": torch.tensor(batch)}


def constant(progress: float, step: int) -> float:
    return 1.0


def test_weights_follow_the_schedule_on_every_groups_own_rate():
    one, two = Quadratic(), Quadratic()
    optimizer = torch.optim.SGD([{"params": [one.w], "lr": 0.1}, {"params": [two.w], "lr": 0.2}])
    calls = []

    def schedule(progress: float, step: int) -> float:
        calls.append((progress, step))
        return 1 - progress

    def step(batch: float) -> dict[str, Tensor]:
        return {"loss": one.step(batch)["loss"] + two.step(batch)["loss"]}

    list(train_epochs(lambda epoch: [0.0, 0.0], step, optimizer, 2, History(), "toy", schedule))
    assert calls == [(0, 0), (0.25, 1), (0.5, 2), (0.75, 3)]
    factors = [1, 0.75, 0.5, 0.25]
    assert float(one.w.detach()) == pytest.approx(torch.tensor([1 - 0.1 * f for f in factors]).prod().item())
    assert float(two.w.detach()) == pytest.approx(torch.tensor([1 - 0.2 * f for f in factors]).prod().item())


def test_history_holds_each_epochs_means():
    model, history = Quadratic(), History()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    loaders = [[1.0, 3.0], [5.0, 7.0]]
    epochs = list(train_epochs(lambda epoch: loaders[epoch], model.step, optimizer, 2, history, "toy", constant))
    assert epochs == [0, 1]
    # w is 1, 1/2, 1/4, 1/8 before the four steps.
    assert history.rows == [
        {"epoch": 1, "loss": (1 / 2 + 1 / 8) / 2, "seen": 2},
        {"epoch": 2, "loss": (1 / 32 + 1 / 128) / 2, "seen": 6},
    ]


def test_each_epoch_is_handed_over_before_the_next_begins():
    model, history = Quadratic(), History()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for epoch in train_epochs(lambda _: [0.0], model.step, optimizer, 3, history, "toy", constant):
        assert len(history.rows) == epoch + 1


@pytest.mark.parametrize("finite_steps, place", [(1, "epoch 1, step 2"), (4, "epoch 2, step 2")])
def test_a_loss_that_is_not_finite_stops_with_the_epoch_and_the_step(finite_steps: int, place: str):
    model, history = Quadratic(), History()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)

    def schedule(_: float, step: int) -> float:
        return 1e30 if step == finite_steps - 1 else 0.0

    training = train_epochs(lambda _: [0.0] * 3, model.step, optimizer, 3, history, "toy", schedule)
    with pytest.raises(InputError, match=f"^toy, {place}: loss is inf; lower the learning rate$"):
        list(training)
    assert all(row["loss"] == 0.5 for row in history.rows)


def test_a_gradient_that_is_not_finite_stops_before_the_next_epoch():
    weight, history = nn.Parameter(torch.tensor(0.0)), History()
    optimizer = torch.optim.SGD([weight], lr=1.0)
    training = train_epochs(  # the square root has no slope at 0, though a value
        lambda _: ["a"], lambda _: {"loss": weight.abs().sqrt()}, optimizer, 2, history, "toy", constant
    )
    with pytest.raises(InputError, match=r"^toy, epoch 1, step 1: weights are no longer finite; lower the learning"):
        list(training)
    assert history.rows == []


def test_what_a_watch_calls_a_fault_stops_with_the_step_and_its_batch():
    model = Quadratic()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    watch = Watch(lambda step: "seen too much; look away" if step["seen"] > 2 else None, "number {:.0f}".format)
    loaders = [[1.0, 2.0], [2.0, 3.0, 4.0]]
    training = train_epochs(
        lambda epoch: loaders[epoch], model.step, optimizer, 2, History(), "toy", constant, watch=watch
    )
    with pytest.raises(InputError, match=r"^toy, epoch 2, step 2 \(number 3\): seen too much; look away$"):
        list(training)


@pytest.mark.parametrize("seconds", ["0", "3600"])
def test_what_went_wrong_is_never_saved_and_the_checkpoint_before_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: str
):
    monkeypatch.setenv("MASKCONTRAST_CHECKPOINT_SECONDS", seconds)
    model, position = Quadratic(), Position()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

    def step(batch: float) -> dict[str, Tensor]:
        return {"loss": model.step(batch)["loss"] * batch}

    training = train_epochs(
        lambda _: [1.0, 1.0, torch.nan, 1.0], step, optimizer, 1, History(), "toy", constant,
        checkpoint=Checkpoint(Scratch(tmp_path), model=model),
    )  # fmt: skip
    kept = re.escape(f"; the last good checkpoint is {tmp_path}/checkpoint.pt") if seconds == "0" else ""
    with pytest.raises(InputError, match=f"^toy, epoch 1, step 3: loss is nan; lower the learning rate{kept}$"):
        list(training)
    assert Checkpoint(
        Scratch(tmp_path), model=model, optimizer=optimizer, history=History(), position=position
    ).restore() == (seconds == "0")
    if seconds == "0":
        assert (position.steps, float(model.w.detach())) == (2, 0.25)


def test_means_add_up_in_the_order_of_the_steps():
    values = torch.rand(1000, generator=torch.Generator().manual_seed(0)) * 1e4
    total = torch.zeros(())
    for value in values:
        total = total + value
    model, history = Quadratic(), History()

    def step(value: Tensor) -> dict[str, Tensor]:
        return {"loss": model.step(0.0)["loss"], "value": value}

    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    list(train_epochs(lambda _: list(values), step, optimizer, 1, history, "toy", constant))
    assert history.rows[0]["value"] == float(total) / 1000
