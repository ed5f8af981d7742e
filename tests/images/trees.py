"""Small data sets as folders, in the layouts that can be packed."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import sparse
from scipy.io import savemat

SHARED = Path(__file__).parents[3] / "shared" / "data"


def save(path: Path, pixels: np.ndarray, mode: str | None = None, **options: object) -> Path:
    """Save pixels at `path`, whose folder is made, in Pillow's `mode` where one is given; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)  # type: ignore[arg-type]
    return path


def save_photo(path: Path, height: int = 6, width: int = 8, seed: int = 0) -> Path:
    """Save random colours."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return save(path, pixels)


def save_indices(path: Path, value: int, height: int = 6, width: int = 8) -> Path:
    """Save a palette label map: background, with `value` in the upper left quarter."""
    indices = np.zeros((height, width), dtype=np.uint8)
    indices[: height // 2, : width // 2] = value
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette([k * 37 % 256 for k in range(768)])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def save_voc(root: Path, splits: Mapping[str, list[str]], fine: int = 1, coarse: int = 2) -> Path:
    """A tree in VOC's layout; label maps of SegmentationClass hold `fine`, those of SegmentationClassAug `coarse`."""
    for name, ids in splits.items():
        lists = root / "ImageSets" / "Segmentation"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / f"{name}.txt").write_text("\n".join(ids))
        for image_id in ids:
            save_photo(root / "JPEGImages" / f"{image_id}.jpg")
            if name == "trainaug":
                save_indices(root / "SegmentationClassAug" / f"{image_id}.png", coarse)
            else:
                save_indices(root / "SegmentationClass" / f"{image_id}.png", fine)
    return root


def save_sbd(folder: Path, train: list[str], val: list[str], value: int = 2) -> Path:
    """A folder `dataset` as SBD has it; its label maps hold `value` in the upper left quarter of 6x8."""
    (folder / "cls").mkdir(parents=True, exist_ok=True)
    for name, ids in {"train": train, "val": val}.items():
        (folder / f"{name}.txt").write_text("".join(f"{image_id}\n" for image_id in ids))
        for image_id in ids:
            save_mat(folder / "cls" / f"{image_id}.mat", value)
    return folder


def save_mat(path: Path, value: int, height: int = 6, width: int = 8, **fields: object) -> Path:
    """A label file of SBD: a struct of indices, boundaries of the 20 classes and the classes present."""
    indices = np.zeros((height, width), dtype=np.uint8)
    indices[: height // 2, : width // 2] = value
    boundaries = np.empty((20, 1), dtype=object)
    for k in range(20):
        boundaries[k, 0] = sparse.csc_matrix((height, width), dtype=bool)
    present = np.array([[value]], dtype=np.uint8)
    struct = {"Segmentation": indices, "Boundaries": boundaries, "CategoriesPresent": present} | fields
    savemat(path, {"GTcls": struct}, do_compression=True)
    return path
