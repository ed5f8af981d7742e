import logging
import resource
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from pipeline.errors import InputError
from pipeline.history import History
from pipeline.scratch import Scratch
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import train_epochs
from tests.interruptions import Interrupted, until_done

EPOCHS, BATCHES = 3, 4


class Points(Dataset):
    """Item i is three numbers that follow from i; it counts what is read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __getitem__(self, i: int) -> Tensor:
        self.read.append(i)
        return torch.arange(3) * 0.1 + i


def train(scratch: Scratch, points: Points, yielded: list[int]) -> tuple[dict[str, Tensor], list[dict]]:
    """Adam on a network with dropout and batch normalisation; weights, statistics and history at the end."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    history = History()

    def batches(epoch: int) -> list[list[int]]:
        return [[batch, batch + epoch] for batch in range(BATCHES)]

    def load(chosen: Sequence[list[int]]) -> DataLoader:
        return DataLoader(points, batch_sampler=chosen)

    def step(batch: Tensor) -> dict[str, Tensor]:
        return {"loss": (network(batch) - 1).square().mean(), "mean": batch.mean()}

    optimizer = torch.optim.Adam(network.parameters(), 0.1)
    for epoch in train_epochs(
        batches, step, optimizer, EPOCHS, history, "toy", lambda done, _: 1 - done, load,
        Checkpoint(scratch, network=network),
    ):  # fmt: skip
        yielded.append(epoch)
    return network.state_dict(), history.rows


def same(one: tuple[dict[str, Tensor], list[dict]], other: tuple[dict[str, Tensor], list[dict]]) -> bool:
    return one[1] == other[1] and all(torch.equal(one[0][name], other[0][name]) for name in one[0])


@pytest.mark.parametrize(
    ("seconds", "steps", "stops"),
    [
        ("0", 2, EPOCHS * BATCHES - 1),  # saved after every step: each attempt gets one step further
        ("0", 5, 2),  # 4 steps further: it stops twice, in the first step of the second epoch and of the third
        ("3600", BATCHES + 1, EPOCHS - 1),  # saved between epochs only
    ],
)
def test_a_training_stopped_anywhere_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: str, steps: int, stops: int
):
    monkeypatch.setenv("MASKCONTRAST_CHECKPOINT_SECONDS", seconds)
    whole = train(Scratch(), Points(), [])
    resumed, stopped = until_done(lambda: train(Scratch(tmp_path), Points(), []), steps, monkeypatch)
    assert stopped == stops
    assert same(resumed, whole)


def test_batches_and_epochs_that_were_over_do_not_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("MASKCONTRAST_CHECKPOINT_SECONDS", "0")
    points, yielded = Points(), []
    until_done(lambda: train(Scratch(tmp_path), points, yielded), BATCHES + 3, monkeypatch)
    # The seventh step of the first attempt was not saved, so the second begins with it: batch 2 of epoch 1.
    assert yielded == [0, 1, 2]
    assert points.read[12:16] == [2, 3, 2, 3]
    assert caplog.messages == ["toy: resumes after epoch 1 of 3 and 2 batches more"]


def test_a_training_that_was_over_only_takes_on_its_end(tmp_path: Path):
    whole, points = train(Scratch(tmp_path), Points(), []), Points()
    assert same(train(Scratch(tmp_path), points, []), whole)
    assert points.read == []


def test_random_numbers_go_on_where_they_were(tmp_path: Path):
    torch.manual_seed(5)
    Checkpoint(Scratch(tmp_path)).save()
    expected = torch.rand(3)
    torch.manual_seed(6)
    assert Checkpoint(Scratch(tmp_path)).restore()
    assert torch.equal(torch.rand(3), expected)


def test_stopped_while_saving_the_checkpoint_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    history = History()
    checkpoint = Checkpoint(Scratch(tmp_path), history=history)
    history.add(loss=1)
    checkpoint.save()
    history.add(loss=2)

    def half_a_save(state: object, file) -> None:
        file.write(b"PK")
        raise Interrupted

    monkeypatch.setattr("torch.save", half_a_save)
    with pytest.raises(Interrupted):
        checkpoint.save()
    assert checkpoint.restore()
    assert history.rows == [{"loss": 1}]


def test_on_a_full_disk_the_checkpoint_before_stays_and_one_sentence_tells(tmp_path: Path):
    kept = nn.Linear(4, 4)
    Checkpoint(Scratch(tmp_path), network=kept).save()
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # The system lets no file grow beyond this, as if the disk were full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, allowed[1]))
    try:
        with pytest.raises(
            InputError, match=r"checkpoint.pt cannot be written \(.*File too large\); if the disk is full"
        ):
            Checkpoint(Scratch(tmp_path), network=nn.Linear(400, 400)).save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    restored = nn.Linear(4, 4)
    assert Checkpoint(Scratch(tmp_path), network=restored).restore()
    assert restored.weight.equal(kept.weight)


def test_in_memory_nothing_is_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MASKCONTRAST_CHECKPOINT_SECONDS", "0")
    checkpoint = Checkpoint(Scratch(), history=History())
    checkpoint.save()
    assert not checkpoint.restore()
    assert not checkpoint.due
    assert checkpoint.kept is None


def test_within_an_epoch_it_is_saved_no_more_often_than_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setenv("MASKCONTRAST_CHECKPOINT_SECONDS", "7")
    checkpoint, saved = Checkpoint(Scratch(tmp_path)), []
    for passed in range(20):
        now = 100.0 + passed
        if checkpoint.due:
            checkpoint.save()
            saved.append(passed)
    assert saved == [7, 14]


@pytest.mark.parametrize("wanted", ["soon", "-1", "1e3"])
def test_seconds_that_are_no_number_are_refused(monkeypatch: pytest.MonkeyPatch, wanted: str):
    monkeypatch.setenv("MASKCONTRAST_CHECKPOINT_SECONDS", wanted)
    with pytest.raises(InputError, match=f"^MASKCONTRAST_CHECKPOINT_SECONDS is '{wanted}'; set it to a number"):
        Checkpoint()
