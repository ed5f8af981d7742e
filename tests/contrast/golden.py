"""A small closed-form batch whose loss was computed with the authors' module and, independently, with plain loops."""

import torch
import torch.nn.functional as F
from torch import Tensor

BATCH, DIM, SIDE, QUEUE, TEMPERATURE = 4, 8, 6, 8, 0.5
B, D, H, W = torch.meshgrid(
    torch.arange(BATCH), torch.arange(DIM), torch.arange(SIDE), torch.arange(SIDE), indexing="ij"
)

PROTOTYPE_0 = torch.tensor([0.465949, 0.497313, 0.450163, 0.331942, 0.161314, -0.034781, -0.225385, -0.380406])


def query() -> Tensor:
    return torch.sin(0.5 * (B + 1) * (D + 1) + 0.3 * H + 0.7 * W)


def key() -> Tensor:
    return torch.cos(0.4 * (B + 1) * (D + 1) + 0.2 * H - 0.5 * W)


def saliency_logits() -> Tensor:
    return torch.cos(0.9 * B + 0.5 * H + 0.3 * W)[:, :1]


def query_masks() -> Tensor:
    return ((H * W + B) % (2 + B) == 0)[:, 0]


def key_masks() -> Tensor:
    return ((2 * H + W + B) % 4 < 2)[:, 0]


def queue() -> Tensor:
    j, d = torch.meshgrid(torch.arange(QUEUE), torch.arange(DIM), indexing="ij")
    return F.normalize(torch.sin(1 + 1.3 * j + 0.9 * d), dim=1)
