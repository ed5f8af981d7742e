"""Several runs of one number, as tables give them."""

from collections.abc import Sequence

import numpy as np


def mean_and_std(name: str, values: Sequence[float]) -> dict[str, float]:
    """`<name>_mean` and `<name>_std`, the sample standard deviation (0 for one value)."""
    std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {f"{name}_mean": float(np.mean(values)), f"{name}_std": std}
