"""A random starting network, and bright discs whose prior maps carry noise that the images do not show."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.networks.backbone import save_backbone
from pipeline.networks.starting_weights import starting_backbone
from tests.profiles import SAMPLE, changed

SIZE = 48
CRF = changed(SAMPLE.fuse_pseudolabels.crf, grid=24)
REFINE = changed(SAMPLE.refine_pseudolabels, size=SIZE, batch=4, epochs=12, crf=CRF)
FUSE = changed(SAMPLE.fuse_pseudolabels, size=SIZE, batch=4, epochs=16, beta_squared=4.0, crf=CRF)


class Discs(NamedTuple):
    """Images, true maps and two priors of them, all uint8 squares."""

    images: Tensor
    truth: Tensor
    priors: tuple[Tensor, Tensor]


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small backbone with random weights."""
    path = tmp_path_factory.mktemp("weights") / "start.pt"
    save_backbone(path, starting_backbone("test_byobnet", "random", "", 0))
    return path


@pytest.fixture(scope="session")
def discs() -> Discs:
    """32 discs. Each prior lacks a vertical bar of every disc and holds a rectangle that is not in the image."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    images, truth, priors = [], [], ([], [])
    for _ in range(32):
        row, column = rng.integers(14, 34, 2)
        disc = (rows - row) ** 2 + (columns - column) ** 2 < 120
        colours = np.where(disc[..., None], rng.integers(150, 250, 3), rng.integers(10, 90, 3))
        images.append((colours + rng.integers(-8, 9, (SIZE, SIZE, 3))).astype(np.uint8))
        truth.append(disc)
        for prior in priors:
            top, left = rng.integers(0, 36, 2)
            bar = abs(columns - column - rng.integers(-4, 5)) < 3
            block = (abs(rows - top - 6) < 6) & (abs(columns - left - 6) < 6)
            prior.append(np.where((disc & ~bar) | block, 0.8, 0.1))
    return Discs(
        torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2),
        as_bytes(truth),
        (as_bytes(priors[0]), as_bytes(priors[1])),
    )


def as_bytes(maps: list[np.ndarray]) -> Tensor:
    """Maps in [0, 1] as uint8."""
    return torch.from_numpy((np.stack(maps) * 255).astype(np.uint8))


def mean_error(maps: Tensor, truth: Tensor) -> float:
    """Mean absolute error of maps in [0, 1] against a truth in 255ths."""
    return float((maps - truth.float() / 255).abs().mean())


def cut(prior: Tensor) -> Tensor:
    """A prior's maps, cut between their two values; this alone halves their mean absolute error."""
    return (prior > 128).float()
