"""Points for clustering."""

import numpy as np


def blobs(n: int, k: int, d: int, spread: float = 0.05) -> np.ndarray:
    """Points around k random centres, in turn."""
    rng = np.random.default_rng(3)
    return (rng.normal(size=(k, d))[np.arange(n) % k] + spread * rng.normal(size=(n, d))).astype(np.float32)
