"""Images of every odd kind through the saliency chain: packed or listed, then a map of the image's size everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.images import folder
from pipeline.images.codecs import decode_map, size_of
from pipeline.images.datasets import ImageSet, MapSet
from pipeline.images.packing import Checked, pack
from pipeline.mask_store import MaskStore, write_masks
from pipeline.masks.basnet import BasNet
from pipeline.masks.prediction import predict
from pipeline.masks.proposals import object_maps, open_proposals
from pipeline.packed import Packed, write_packed
from pipeline.params import Sweep
from pipeline.priors.compute import encoded_prior
from pipeline.pseudolabels.maps import square_images, square_maps, write_maps
from tests.images.trees import save, save_photo
from tests.profiles import SAMPLE

PRIORS = get_args(get_args(Sweep.model_fields["priors"].annotation)[0])
HEIGHT, WIDTH = 60, 80
OBJECT = np.zeros((HEIGHT, WIDTH), dtype=bool)
OBJECT[20:42, 28:55] = True


def scene(ground: int = 110) -> np.ndarray:
    """A red rectangle on noisy grey, RGB."""
    noise = ground + np.random.default_rng(0).integers(0, 16, (HEIGHT, WIDTH, 3))
    return np.where(OBJECT[..., None], (200, 40, 40), noise).astype(np.uint8)


def grey(factor: int = 1) -> np.ndarray:
    return np.where(OBJECT, 220, scene()[..., 0]) * np.uint16(factor)


def save_cut_out(path: Path) -> None:
    """Noise, transparent but for the object."""
    noise = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3))
    pixels = np.where(OBJECT[..., None], scene(), noise)
    save(path, np.dstack([pixels, OBJECT * 255]).astype(np.uint8))


def save_palette(path: Path) -> None:
    image = Image.fromarray(OBJECT.astype(np.uint8)).convert("P")
    image.putpalette([90, 120, 90, 220, 40, 40])
    image.save(path, transparency=bytes([0, 255]))


def save_turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to show
    save(path, scene(), exif=exif)


def framed(width: int) -> np.ndarray:
    pixels = scene()
    pixels[:width] = pixels[-width:] = pixels[:, :width] = pixels[:, -width:] = 255
    return pixels


# What shows the object, and may be asked where it is.
SCENES: dict[str, Callable[[Path], object]] = {
    "rgb.jpg": lambda path: save(path, scene()),
    "grey.png": lambda path: save(path, grey().astype(np.uint8)),
    "grey_16_bits.png": lambda path: save(path, grey(257)),
    "cut_out.png": save_cut_out,
    "palette.png": save_palette,
    "cmyk.jpg": lambda path: save(path, scene(), "CMYK"),
    "bilevel.png": lambda path: save(path, OBJECT),
    "turned.jpg": save_turned,
    "framed.png": lambda path: save(path, framed(3)),
}
SHAPES: dict[str, Callable[[Path], object]] = {
    "one_pixel.png": lambda path: save_photo(path, 1, 1),
    "one_row.png": lambda path: save_photo(path, 1, 500),
    "one_column.png": lambda path: save_photo(path, 500, 1),
    "tiny.png": lambda path: save_photo(path, 2, 3),
    "very_wide.jpg": lambda path: save_photo(path, 40, 12000),
    "black.png": lambda path: save(path, np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)),
    "constant.png": lambda path: save(path, np.full((HEIGHT, WIDTH, 3), 77, dtype=np.uint8)),
    "two_colours.png": lambda path: save(path, np.repeat(OBJECT[..., None] * np.uint8(255), 3, axis=2)),
    "frame_alone.png": lambda path: save(path, np.pad(np.full((40, 60), 77, dtype=np.uint8), 4, constant_values=255)),
}
DAMAGED: dict[str, Callable[[Path], object]] = {
    "cut_short_jpeg.jpg": lambda path: path.write_bytes(save_photo(path, 50, 50).read_bytes()[:-400]),
    "cut_short_png.png": lambda path: path.write_bytes(save_photo(path, 50, 50).read_bytes()[:-400]),
    "empty.jpg": lambda path: path.write_bytes(b""),
    "text.jpg": lambda path: path.write_text("a photograph of a dog"),
}
KINDS = [Path(name).stem for name in sorted(SCENES | SHAPES)]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checked]:
    """The container of all odd images, and what was found."""
    root = tmp_path_factory.mktemp("odd")
    (root / "raw").mkdir()
    for name, write in (SCENES | SHAPES | DAMAGED).items():
        write(root / "raw" / name)
    return root / "images.h5", pack(folder.read(root / "raw"), root / "images.h5", root / "labels.h5", "skip")


@pytest.fixture(scope="module")
def images(checked: tuple[Path, Checked]) -> ImageSet:
    return ImageSet(checked[0])


def require_sound(maps: Packed, images: ImageSet) -> None:
    assert maps.ids == images.ids
    assert [size_of(maps[i]) for i in range(len(maps))] == [tuple(size) for size in images.sizes.tolist()]


def test_every_odd_image_is_packed_and_every_damaged_one_listed(checked: tuple[Path, Checked]):
    assert ImageSet(checked[0]).ids == KINDS
    assert list(checked[1].skipped) == [Path(name).stem for name in sorted(DAMAGED)]


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_prior_is_a_map_of_the_size_of_the_image(images: ImageSet, prior: str, kind: str):
    i = images.index(kind)
    saliency = decode_map(encoded_prior(images.path, prior, SAMPLE.compute_priors, i))
    assert saliency.shape == tuple(images.sizes[i])
    if kind in {Path(name).stem for name in SCENES}:
        assert saliency[OBJECT].mean() > saliency[~OBJECT].mean() + 0.3


@pytest.mark.parametrize("stretch", [False, True])
@pytest.mark.parametrize("mode", ["components", "contours"])
def test_predicted_maps_and_masks_have_the_size_of_the_image(
    images: ImageSet, tmp_path: Path, stretch: bool, mode: str
):
    torch.manual_seed(0)
    settings = SAMPLE.predict_saliency.model_copy(update={"size": 32, "batch": 5, "stretch": stretch})
    path = tmp_path / images.path.name
    write_packed(path, predict(BasNet(4), images, settings, range(len(images))), "maps")
    require_sound(Packed(path, "maps"), images)
    cleanup = SAMPLE.extract_masks.model_copy(update={"mode": mode})
    proposals = open_proposals(images, tmp_path, cleanup)
    write_masks(tmp_path / "masks.h5", images.ids, images.sizes, object_maps(images, proposals, cleanup))
    masks = MaskStore(tmp_path / "masks.h5")
    assert [masks[i].shape for i in range(len(images))] == [tuple(size) for size in images.sizes.tolist()]


def test_squares_for_the_networks_go_there_and_back(images: ImageSet, tmp_path: Path):
    squares = square_images(images, 16)
    assert squares.shape == (len(KINDS), 3, 16, 16)
    write_maps(tmp_path / "maps.h5", images, squares[:, 0].float() / 255)
    require_sound(maps := MapSet(tmp_path / "maps.h5"), images)
    one, constant = (square_maps(maps, 16)[images.index(kind)] for kind in ("one_pixel", "constant"))
    assert one.unique().numel() == 1 and constant.unique().tolist() == [77]
