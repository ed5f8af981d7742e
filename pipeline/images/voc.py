"""Layout `voc`: PASCAL VOC's segmentation task, with SBD's labels beside it (MaskContrast section 4.1).

`JPEGImages/`, `ImageSets/Segmentation/{train,trainaug,val}.txt` (those that exist), `SegmentationClass/` for the
images of train and val, `SegmentationClassAug/` for those of trainaug. An image of train that stands in trainaug
too keeps VOC's label map, which ignores a border round every object.

Where SBD's own folder lies in the source, it stands in for what is missing of trainaug: the list, the label maps.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from pipeline.errors import InputError
from pipeline.images.folder import files_by_id, listed_files, read_list, real_folder
from pipeline.images.packing import ImageFiles, read_indices
from pipeline.images.sbd import compared_with_published, find_sbd, read_segmentation, trainaug
from pipeline.runtime import log

SPLITS = {"trainaug": "SegmentationClassAug", "train": "SegmentationClass", "val": "SegmentationClass"}


def read(source: Path, classes: list[str]) -> ImageFiles:
    """The images and label maps of all split lists; a listed image without either is at fault."""
    sbd = find_sbd(source)
    lists = _lists(source, sbd)
    splits = {name: ids for name, (_, ids) in lists.items()}
    image_files = source / "JPEGImages", files_by_id(source, "JPEGImages")
    images: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    faults: dict[str, str] = {}
    # In the order of SPLITS, so that SegmentationClass has the last word.
    for name, (origin, ids) in lists.items():
        for found, (folder, files) in ((images, image_files), (labels, _label_files(source, name, splits, sbd))):
            present, missing = listed_files(origin, ids, folder, files)
            found |= present
            faults = missing | faults
    return ImageFiles(source, images, splits, labels, classes, read_labels, faults=faults)


def _lists(source: Path, sbd: tuple[str, ...] | None) -> dict[str, tuple[Path, list[str]]]:
    """Where each split is listed and its ids, in the order of SPLITS."""
    folder = real_folder(source, "ImageSets", "Segmentation")
    files = {name: folder / f"{name}.txt" for name in SPLITS}
    lists = {name: (path, read_list(path)) for name, path in files.items() if path.exists()}
    if not lists:
        raise InputError(f"{folder} holds none of {', '.join(f'{name}.txt' for name in SPLITS)}; add a split list")
    if sbd is None or "trainaug" in lists:
        return lists
    for name in ("train", "val"):
        if name not in lists:
            raise InputError(f"{files[name]} is not there, and trainaug cannot be put together without; add it")
    own = source.joinpath(*sbd)
    ids = trainaug(lists["train"][1], lists["val"][1], [*read_list(own / "train.txt"), *read_list(own / "val.txt")])
    log.info("%s", compared_with_published(ids))
    return {"trainaug": (own, ids), **lists}


def _label_files(
    source: Path, name: str, splits: Mapping[str, list[str]], sbd: tuple[str, ...] | None
) -> tuple[Path, Mapping[str, Path]]:
    """The folder of a split's label maps, and its files by id."""
    folder = SPLITS[name]
    if name != "trainaug" or sbd is None or (source / folder).exists() or (source / folder).is_symlink():
        return source / folder, files_by_id(source, folder)
    # SBD has no label map for some images of VOC's train, which keep VOC's anyway.
    of_train = files_by_id(source, SPLITS["train"]) if "train" in splits else {}
    kept = {image_id: of_train[image_id] for image_id in splits.get("train", []) if image_id in of_train}
    return source.joinpath(*sbd, "cls"), files_by_id(source, *sbd, "cls", suffixes=(".mat",)) | kept


def read_labels(path: Path) -> tuple[bytes, UInt8[np.ndarray, "h w"]]:
    """The bytes to store of a label map, and its class indices; InputError when it does not hold any."""
    return read_segmentation(path) if path.suffix.lower() == ".mat" else read_indices(path)
