"""Random streams derived from one seed and the name of what they are for.

Each consumer asks for its own stream, so that adding a draw in one place never shifts the draws of another,
and the number of loader processes never changes a result.
"""

import hashlib

import numpy as np


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed that depends on `seed` and on every part of `purpose`, e.g. `(0, "view", epoch, index)`."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A NumPy generator of its own stream; see `derive_seed`."""
    return np.random.default_rng(derive_seed(seed, *purpose))


def seed_torch(seed: int, *purpose: str | int) -> None:
    """Seed PyTorch's global generators (weight initialisation, dropout) with their own stream."""
    import torch

    torch.manual_seed(derive_seed(seed, *purpose))
