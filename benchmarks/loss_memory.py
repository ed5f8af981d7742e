"""Peak memory of MaskContrast's losses and gradients at 224 px and 64 images, against the plain formulation."""

import sys

from benchmarks import loss
from benchmarks.measure import in_subprocess, peak_growth

BATCH, SIZE, QUEUE, LONG_QUEUE = 64, 224, 128, 1024
LOSSES = {"ours": loss.fused, "reference": loss.plain}


def run() -> dict[str, object]:
    """MiB above those of inputs, each in a process of its own; `long_queue` is ours with 1024 negatives, not 128."""
    ours, long_queue = (_grown("ours", queue) for queue in (QUEUE, LONG_QUEUE))
    reference = _grown("reference", QUEUE)
    return {
        "ratio": reference / ours,
        "ours": ours,
        "reference": reference,
        "unit": "MiB",
        "long_queue": long_queue,
    }


def _grown(candidate: str, queue: int) -> float:
    return in_subprocess("benchmarks.loss_memory", f"{candidate}/{BATCH}/{SIZE}/{queue}") / 2**20


def _measure(argument: str) -> int:
    candidate, *numbers = argument.split("/")
    # What a first call loads and keeps, whatever the size, is not of interest.
    loss.value_and_gradients(LOSSES[candidate], loss.random_inputs(2, 64, 8))
    inputs = loss.random_inputs(*map(int, numbers))
    return peak_growth(lambda: loss.value_and_gradients(LOSSES[candidate], inputs))


if __name__ == "__main__":
    print(_measure(sys.argv[1]))
