"""The queue of past prototypes, negatives beyond those of the batch (paper section 3.3; MoCo, He et al. 2020)."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class PrototypeQueue(nn.Module):
    """A ring of the `size` newest prototypes, one a row; `pointer` is the row that is overwritten next. 0 holds none.

    It starts with directions drawn uniformly (normalised Gaussians), as in MoCo. It takes batches of any size,
    whether or not they divide it.
    """

    prototypes: Tensor
    pointer: Tensor

    def __init__(self, size: int, dim: int, rng: np.random.Generator) -> None:
        super().__init__()
        gaussians = torch.from_numpy(rng.standard_normal((size, dim), dtype=np.float32))
        self.register_buffer("prototypes", F.normalize(gaussians, dim=1))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def enqueue(self, prototypes: Float[Tensor, "b d"]) -> None:
        """Overwrite the oldest rows with new prototypes, wrapping around; of more than fit the last ones stay."""
        size = len(self.prototypes)
        if size == 0:
            return
        # Only the last `size` are written: a row assigned twice at once would keep either.
        order = torch.arange(len(prototypes), device=prototypes.device)[-size:]
        self.prototypes[(self.pointer + order) % size] = prototypes[-size:]
        self.pointer.copy_((self.pointer + len(prototypes)) % size)
