from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.contrast.cells import cell_features, cell_shapes, chosen_images, require_budget
from pipeline.contrast.encoder import build_encoder
from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet
from pipeline.networks.backbone import load_backbone
from pipeline.params import Embed, Encoder
from tests.profiles import SAMPLE, changed


def cells_settings(size: int = 48, **cells: object) -> Embed:
    return changed(SAMPLE.embed, size=size, cells=SAMPLE.embed.cells.model_dump() | cells)


def test_an_image_of_two_splits_is_chosen_once(disc_images: Path):
    images = ImageSet(disc_images)
    assert chosen_images(images, ["val", "all"]).tolist() == list(range(12))
    assert chosen_images(images, ["val"]).tolist() == [8, 9, 10, 11]
    assert chosen_images(images, []).tolist() == []


def test_an_unknown_split_is_refused(disc_images: Path):
    with pytest.raises(InputError, match="has no split 'test'"):
        chosen_images(ImageSet(disc_images), ["test"])


@pytest.mark.parametrize("size", [48, 50, 57])
def test_the_whole_map_has_the_side_that_is_announced(size: int, start: Path, encoder_settings: Encoder):
    encoder, backbone = build_encoder(start, encoder_settings).eval(), load_backbone(start, 8).eval()
    shapes = cell_shapes(
        encoder, backbone, {"start": backbone.channels[-1], "maskcontrast": 8}, cells_settings(size, grid=0)
    )
    pixels = torch.rand(1, 3, size, size)
    with torch.no_grad():
        found = {"start": backbone(pixels)[-1], "maskcontrast": encoder(pixels)[0]}
    assert {name: (*maps.shape[2:], maps.shape[1]) for name, maps in found.items()} == shapes


def test_a_budget_is_kept_to_the_byte():
    shapes = {"start": (8, 8, 32), "maskcontrast": (16, 16, 8)}
    # 2 x (8 x 8 x 32 + 16 x 16 x 8) bytes are 8 KiB an image.
    require_budget(128, shapes, cells_settings(budget_mib=1))
    with pytest.raises(
        InputError, match=r"takes 2 MiB for 129 images of val \(start 8 x 8 x 32, maskcontrast 16 x 16 x"
    ):
        require_budget(129, shapes, cells_settings(budget_mib=1))


def test_cells_are_means_with_channels_last_and_the_map_itself_without_a_grid():
    maps = torch.arange(32, dtype=torch.float32).view(1, 2, 4, 4)
    cells = cell_features(maps, 2)
    assert (cells.dtype, cells.shape) == (np.float16, (1, 2, 2, 2))
    assert cells[0, 0, 1].tolist() == [(2 + 3 + 6 + 7) / 4, 16 + (2 + 3 + 6 + 7) / 4]
    assert np.array_equal(cell_features(maps, 0), maps.permute(0, 2, 3, 1).numpy())


def test_no_image_has_no_cells():
    assert cell_features(torch.zeros(0, 5, 4, 4), 2).shape == (0, 2, 2, 5)
