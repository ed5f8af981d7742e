"""Two augmented views of VOC-like photographs, colours included, against Pillow and torchvision one image at a time."""

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data
from torch import Tensor
from torch.utils.data import default_collate
from torchvision import transforms
from torchvision.transforms import functional

from benchmarks.measure import interleaved, published
from pipeline.derived_params import chosen_jitter
from pipeline.images.datasets import ImageSet
from pipeline.images.view_pairs import ViewPair, ViewPairs
from pipeline.images.views import on_device
from pipeline.mask_store import MaskStore, write_masks
from pipeline.packed import write_packed
from pipeline.params import Views

IMAGES, HEIGHT, WIDTH, SIZE, ROUNDS = 16, 375, 500, 224, 7
CPU = torch.device("cpu")


def run() -> dict[str, object]:
    """Milliseconds of processor time of an image on one core, from encoded bytes to batches of both views in [0, 1]."""
    torch.set_num_threads(1)
    with photographs() as (pairs, encoded):
        ours, reference = interleaved(lambda: finished(pairs), lambda: per_sample(encoded, pairs.settings), ROUNDS)
    return row(ours, reference)


def row(ours: float, reference: float) -> dict[str, object]:
    """The result of a benchmark, for one image."""
    per_image = 1000 / IMAGES
    return {"ratio": reference / ours, "ours": per_image * ours, "reference": per_image * reference, "unit": "ms"}


@contextmanager
def photographs(cache_bytes: int = 0) -> Iterator[tuple[ViewPairs, list[tuple[bytes, bytes]]]]:
    """Random parts of photographs with elliptic masks: packed, and as bytes of JPEG and PNG.

    The settings are those of the authors' code, which has no blur.
    """
    rng = np.random.default_rng(0)
    sources = [Image.fromarray(source()) for source in (data.astronaut, data.chelsea, data.coffee, data.rocket)]
    images = [_part(sources[i % len(sources)], rng) for i in range(IMAGES)]
    masks = [_ellipse(rng) for _ in range(IMAGES)]
    jpegs, pngs = (
        [_encoded(image, "JPEG") for image in images],
        [_encoded(Image.fromarray(mask), "PNG") for mask in masks],
    )
    ids = [f"{i:06d}" for i in range(IMAGES)]
    changes = {"size": SIZE, "augmentation": "moco", "min_foreground": 0.01, "max_foreground": 0.99}
    settings = Views.model_validate(published("pretrain")["views"] | changes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        columns = {"height": [HEIGHT] * IMAGES, "width": [WIDTH] * IMAGES}
        write_packed(folder / "images.h5", zip(ids, jpegs, strict=True), "images", columns=columns)
        write_masks(folder / "masks.h5", ids, np.array([(HEIGHT, WIDTH)] * IMAGES), masks)
        stores = ImageSet(folder / "images.h5"), MaskStore(folder / "masks.h5")
        yield ViewPairs(*stores, np.arange(IMAGES), settings, 0, cache_bytes), list(zip(jpegs, pngs, strict=True))


def _part(source: Image.Image, rng: np.random.Generator) -> Image.Image:
    left, top = rng.uniform(0, 0.3, 2) * source.size
    box = left, top, *(np.array(source.size) * rng.uniform(0.7, 1, 2))
    return source.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box)


def _ellipse(rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    y, x = rng.uniform(0.35, 0.65, 2)
    high, wide = rng.uniform(0.2, 0.4, 2)
    return ((rows / HEIGHT - y) / high) ** 2 + ((columns / WIDTH - x) / wide) ** 2 < 1


def _encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"quality": 90} if kind == "JPEG" else {}))
    return buffer.getvalue()


def batch_of(pairs: ViewPairs) -> ViewPair:
    """All pairs as a loader gives them, of another epoch each time."""
    pairs.set_epoch(pairs.epoch + 1)
    return default_collate([pairs[i] for i in range(len(pairs))])


def finished(pairs: ViewPairs) -> list[tuple[Tensor, Tensor]]:
    """The batch of both views as the encoders get it."""
    batch = batch_of(pairs)
    return [on_device(views, pairs.settings, CPU) for views in (batch.query, batch.key)]


def per_sample(encoded: list[tuple[bytes, bytes]], settings: Views) -> list[Tensor]:
    """The same by Pillow: every view of every image by itself, both redrawn until both masks fit."""
    return default_collate([_sample(jpeg, png, settings) for jpeg, png in encoded])


def _sample(jpeg: bytes, png: bytes, settings: Views) -> tuple[Tensor, ...]:
    with Image.open(io.BytesIO(jpeg)) as file:
        image = file.convert("RGB")
    with Image.open(io.BytesIO(png)) as file:
        mask = file.convert("L")
    while True:
        views = [_augmented(image, mask, settings) for _ in range(2)]
        filled = [float(cut.float().mean()) for _, cut in views]
        if settings.min_foreground < min(filled) and max(filled) < settings.max_foreground:
            return tuple(part for view in views for part in view)


def _augmented(image: Image.Image, mask: Image.Image, settings: Views) -> tuple[Tensor, Tensor]:
    jitter, size = chosen_jitter(settings), [settings.size] * 2
    box = transforms.RandomResizedCrop.get_params(image, [settings.min_scale, 1.0], [3 / 4, 4 / 3])  # type: ignore[arg-type]
    image = functional.resized_crop(image, *box, size, functional.InterpolationMode.BILINEAR)  # type: ignore[arg-type]
    mask = functional.resized_crop(mask, *box, size, functional.InterpolationMode.NEAREST)  # type: ignore[arg-type]
    colour = transforms.ColorJitter(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
    image = transforms.RandomApply([colour], jitter.probability)(image)
    image = transforms.RandomGrayscale(jitter.grey_probability)(image)
    if torch.rand(1) < jitter.flip_probability:
        image, mask = functional.hflip(image), functional.hflip(mask)  # type: ignore[arg-type]
    return functional.to_tensor(image), torch.from_numpy(np.array(mask) > 127)
