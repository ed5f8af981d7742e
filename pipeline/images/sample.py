"""The embedded sample as files: `proposal`, `benchmark/shapes` and `target`, laid out as the real sets are.

Every file depends on the seed and on the sizes asked for, nothing else, and an image does not change when more
of them are drawn. The functions yield paths within the sample and the bytes to put there.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from pipeline.images.codecs import encode_png
from pipeline.images.palette import encode_labels
from pipeline.images.scenes import draw_scene
from pipeline.images.shapes import SHAPES
from pipeline.params import DrawSample
from pipeline.seeding import generator

CLASSES = ["background", *SHAPES]
IGNORED = 255
JPEG_QUALITY = 90
PAIR_SHARE = 0.25

File = tuple[Path, bytes]


def sample_files(seed: int, sizes: DrawSample) -> Iterator[File]:
    """All files of the sample."""
    yield from proposal_files(Path("proposal"), seed, sizes)
    yield from benchmark_files(Path("benchmark", "shapes"), seed, sizes)
    yield from target_files(Path("target"), seed, sizes)


def proposal_files(folder: Path, seed: int, sizes: DrawSample) -> Iterator[File]:
    """A plain folder of single objects on quiet grounds, without labels."""
    for i in range(sizes.proposal):
        image_id = f"proposal_{i + 1:04d}"
        scene = draw_scene(seed, image_id, [class_of(seed, "proposal", i)], sizes.size, cluttered=False)
        yield folder / f"{image_id}.jpg", encode_jpeg(scene.rgb)


def benchmark_files(folder: Path, seed: int, sizes: DrawSample) -> Iterator[File]:
    """Images with object masks (0 or 255), in turn as those of `proposal` and of `target`."""
    for i in range(sizes.benchmark):
        image_id, cluttered = f"benchmark_{i + 1:04d}", i % 2 == 1
        classes = classes_of(seed, "benchmark", i) if cluttered else [class_of(seed, "benchmark", i)]
        scene = draw_scene(seed, image_id, classes, sizes.size, cluttered)
        yield folder / "images" / f"{image_id}.jpg", encode_jpeg(scene.rgb)
        yield folder / "masks" / f"{image_id}.png", encode_png(np.where(scene.labels > 0, 255, 0).astype(np.uint8))


def target_files(folder: Path, seed: int, sizes: DrawSample) -> Iterator[File]:
    """Cluttered scenes in the layout of PASCAL VOC with SBD: `trainaug` begins with `train`, `val` is apart.

    The label maps of train and val ignore a border round every object; those of trainaug do not.
    """
    ids = [f"target_{i + 1:04d}" for i in range(sizes.trainaug + sizes.val)]
    splits = {"train": ids[: sizes.train], "trainaug": ids[: sizes.trainaug], "val": ids[sizes.trainaug :]}
    for split, members in splits.items():
        yield folder / "ImageSets" / "Segmentation" / f"{split}.txt", "".join(f"{m}\n" for m in members).encode()
    for i, image_id in enumerate(ids):
        scene = draw_scene(seed, image_id, classes_of(seed, "target", i), sizes.size, cluttered=True)
        yield folder / "JPEGImages" / f"{image_id}.jpg", encode_jpeg(scene.rgb)
        if i < sizes.trainaug:
            yield folder / "SegmentationClassAug" / f"{image_id}.png", encode_labels(scene.labels)
        if i < sizes.train or i >= sizes.trainaug:
            yield folder / "SegmentationClass" / f"{image_id}.png", encode_labels(bordered(scene.labels))


def class_of(seed: int, purpose: str, i: int) -> int:
    """The class index of the first object of image i; every five images in a row show one of each."""
    block, place = divmod(i, len(SHAPES))
    return 1 + int(generator(seed, "classes", purpose, block).permutation(len(SHAPES))[place])


def classes_of(seed: int, purpose: str, i: int) -> list[int]:
    """One object, or in a quarter of the images a second one beside it, of the same class half of the time."""
    first, rng = class_of(seed, purpose, i), generator(seed, "second", purpose, i)
    if rng.random() >= PAIR_SHARE:
        return [first]
    others = [index for index in range(1, len(CLASSES)) if index != first]
    return [first, first if rng.random() < 0.5 else int(rng.choice(others))]


def bordered(labels: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w"]:
    """The labels with the pixels on both sides of every object's outline set to 255."""
    objects = labels > 0
    border = binary_dilation(objects) & np.logical_not(binary_erosion(objects))
    return np.where(border, np.uint8(IGNORED), labels)


def encode_jpeg(rgb: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """A JPEG of quality 90."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
