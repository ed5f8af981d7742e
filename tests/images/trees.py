"""Small data sets as folders, in the layouts that can be packed."""

import json
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


CATEGORIES = [
    {"supercategory": "person", "isthing": 1, "id": 1, "name": "person"},
    {"supercategory": "vehicle", "isthing": 1, "id": 5, "name": "airplane"},
    {"supercategory": "animal", "isthing": 1, "id": 22, "name": "elephant"},
    {"supercategory": "textile", "isthing": 0, "id": 92, "name": "banner"},
]


def save_coco(root: Path, parts: Mapping[str, Mapping[str, list[tuple[int, int, int]]]]) -> Path:
    """A tree in COCO's layout. Of every part and image: (segment id, category, pixels), side by side in 8 columns.

    The pixels are given out along the rows of 6x8; those left over belong to no segment.
    """
    for part, images in parts.items():
        annotations = []
        for image_id, segments in images.items():
            save_photo(root / part / f"{image_id}.jpg")
            ids = np.zeros(48, dtype=np.int64)
            ends = np.cumsum([pixels for _, _, pixels in segments])
            for (number, _, pixels), end in zip(segments, ends, strict=True):
                ids[end - pixels : end] = number
            rgb = np.stack([ids >> shift & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)
            save(root / "annotations" / f"panoptic_{part}" / f"{image_id}.png", rgb.reshape(6, 8, 3))
            infos = [
                {"id": number, "category_id": category, "iscrowd": 0, "bbox": [0, 0, 8, 6], "area": pixels}
                for number, category, pixels in segments
            ]
            annotations.append({"segments_info": infos, "file_name": f"{image_id}.png", "image_id": int(image_id)})
        listed = [{"id": int(i), "file_name": f"{i}.jpg", "height": 6, "width": 8, "license": 1} for i in images]
        content = {"info": {}, "licenses": [], "images": listed, "annotations": annotations, "categories": CATEGORIES}
        (root / "annotations" / f"panoptic_{part}.json").write_text(json.dumps(content))
    return root
