"""Side-by-side measurement: both candidates in turn on the same machine, medians of processor time."""

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.params import read_mapping
from pipeline.profile import merge

PROFILES = Path(__file__).parents[1] / "profiles"


def published(section: str) -> dict[str, Any]:
    """A section of params.yaml as in the profile of the paper."""
    sample, voc = (read_mapping(PROFILES / f"{name}.yaml", YAML(typ="safe")) for name in ("sample", "voc"))
    merge(sample, voc)
    return sample[section]


def interleaved(
    ours: Callable[[], object], reference: Callable[[], object], rounds: int = 5, wall: bool = False
) -> tuple[float, float]:
    """Median processor seconds of `ours` and of `reference`, called in turn after one unmeasured call of each.

    Processor time, not wall time: on a shared machine it is the one that two runs agree on. With `wall` it is wall time
    all the same, for what runs in several processes.
    """
    clock = time.perf_counter if wall else time.process_time
    ours()
    reference()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for call, samples in zip((ours, reference), times, strict=True):
            start = clock()
            call()
            samples.append(clock() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def peak_growth(call: Callable[[], object]) -> int:
    """Bytes by which `call` raises this process's peak memory; measure each candidate in a process of its own."""
    before = _peak()
    call()
    return _peak() - before


def _peak() -> int:
    """Most bytes ever resident; Linux's own count, since `getrusage` starts from the peak of the parent process."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])


def in_subprocess(module: str, argument: str) -> int:
    """The integer that `python -m module argument` prints as its last line."""
    done = subprocess.run([sys.executable, "-m", module, argument], capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1]))
