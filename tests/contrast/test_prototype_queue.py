import pytest
import torch

from pipeline.contrast.prototype_queue import PrototypeQueue
from pipeline.seeding import generator
from tests.contrast import golden


def numbered(first: int, last: int) -> torch.Tensor:
    """One-dimensional prototypes that tell in which order they came."""
    return torch.arange(first, last, dtype=torch.float32)[:, None]


def filled(size: int) -> PrototypeQueue:
    return PrototypeQueue(size, 1, generator(0))


def test_queue_starts_with_unit_vectors_of_the_seed():
    queue = PrototypeQueue(7, 5, generator(3, "queue"))
    torch.testing.assert_close(queue.prototypes.norm(dim=1), torch.ones(7))
    assert queue.prototypes.equal(PrototypeQueue(7, 5, generator(3, "queue")).prototypes)
    assert not queue.prototypes.equal(PrototypeQueue(7, 5, generator(4, "queue")).prototypes)


def test_golden_step_fills_the_first_rows_and_leaves_the_rest():
    queue = PrototypeQueue(golden.QUEUE, golden.DIM, generator(0))
    before, prototypes = queue.prototypes.clone(), torch.randn(golden.BATCH, golden.DIM)
    queue.enqueue(prototypes)
    assert queue.prototypes[:4].equal(prototypes)
    assert queue.prototypes[4:].equal(before[4:])
    assert queue.pointer == 4


def test_queue_wraps_when_batch_does_not_divide_it():
    queue = filled(5)
    queue.enqueue(numbered(0, 3))
    queue.enqueue(numbered(3, 6))
    assert queue.prototypes[:, 0].tolist() == [5, 1, 2, 3, 4]
    assert queue.pointer == 1


@pytest.mark.parametrize("batch", [1, 4, 5, 6, 10, 13])
def test_queue_of_five_holds_the_newest_five_for_any_batch(batch: int):
    queue = filled(5)
    for start in range(0, 40, batch):
        queue.enqueue(numbered(start, start + batch))
    last = batch * -(-40 // batch)
    assert sorted(queue.prototypes[:, 0].tolist()) == list(range(last - 5, last))
    assert queue.prototypes[(queue.pointer - 1) % 5] == last - 1


def test_a_queue_of_none_stays_empty():
    queue = filled(0)
    queue.enqueue(numbered(0, 3))
    assert queue.prototypes.shape == (0, 1)
    assert queue.pointer == 0


def test_contents_and_pointer_survive_a_state_dict():
    queue, other = filled(5), PrototypeQueue(5, 1, generator(1))
    queue.enqueue(numbered(0, 3))
    other.load_state_dict(queue.state_dict())
    other.enqueue(numbered(3, 4))
    assert other.prototypes[:4, 0].tolist() == [0, 1, 2, 3]
