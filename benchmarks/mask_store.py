"""Mask store: bytes and random reads of 400 masks, against a folder of 1-bit PNG files."""

import io
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.filters import gaussian
from skimage.transform import resize

from benchmarks.measure import interleaved
from pipeline.mask_store import MaskStore, write_masks

MASKS, HEIGHT, WIDTH, ROUNDS = 400, 375, 500, 7


def run() -> dict[str, object]:
    """Milliseconds of processor time of one read in random order; `size_ratio` is our bytes over theirs."""
    rng = np.random.default_rng(0)
    masks = [_object_mask(rng) for _ in range(MASKS)]
    order = rng.permutation(MASKS).tolist()
    with tempfile.TemporaryDirectory() as folder:
        path, files = _write(Path(folder), masks)
        for mask, ours, theirs in zip(masks, _read_store(path, range(MASKS)), map(_read_png, files), strict=True):
            np.testing.assert_array_equal(mask, ours)
            np.testing.assert_array_equal(mask, theirs)
        ours, reference = interleaved(
            lambda: _read_store(path, order), lambda: [_read_png(files[i]) for i in order], ROUNDS
        )
        size_ratio = path.stat().st_size / sum(file.stat().st_size for file in files)
    return {
        "ratio": reference / ours,
        "ours": 1000 * ours / MASKS,
        "reference": 1000 * reference / MASKS,
        "unit": "ms",
        "size_ratio": size_ratio,
        "read_ratio": reference / ours,
    }


def _object_mask(rng: np.random.Generator) -> np.ndarray:
    """A blob with a wavy, slightly rough boundary, as a thresholded saliency map has."""
    coarse = resize(rng.standard_normal((6, 8)), (HEIGHT, WIDTH), order=3)
    rough = gaussian(rng.standard_normal((HEIGHT, WIDTH)), 2.0)
    field = np.asarray(coarse + 0.5 * rough)
    return field > np.quantile(field, rng.uniform(0.6, 0.95))


def _write(folder: Path, masks: list[np.ndarray]) -> tuple[Path, list[Path]]:
    ids = [f"{i:06d}" for i in range(len(masks))]
    sizes = np.array([mask.shape for mask in masks])
    write_masks(folder / "masks.h5", ids, sizes, masks)
    files = [folder / f"{image_id}.png" for image_id in ids]
    for file, mask in zip(files, masks, strict=True):
        Image.fromarray(mask).save(file)
    return folder / "masks.h5", files


def _read_store(path: Path, order: Iterable[int]) -> list[np.ndarray]:
    # Opened afresh, since HDF5 keeps the last megabytes it unpacked and a real set is far larger than that.
    store = MaskStore(path)
    return [store[i] for i in order]


def _read_png(file: Path) -> np.ndarray:
    with Image.open(io.BytesIO(file.read_bytes())) as image:
        return np.asarray(image)
