"""Layout `voc`: PASCAL VOC's segmentation task, with SBD's labels beside it as PNG (MaskContrast section 4.1).

`JPEGImages/`, `ImageSets/Segmentation/{train,trainaug,val}.txt` (those that exist), `SegmentationClass/` for the
images of train and val, `SegmentationClassAug/` for those of trainaug. An image of train that stands in trainaug
too keeps VOC's label map, which ignores a border round every object.
"""

from collections import Counter
from pathlib import Path

from pipeline.errors import InputError
from pipeline.images.folder import files_by_id, real_folder
from pipeline.images.packing import ImageFiles

SPLITS = {"trainaug": "SegmentationClassAug", "train": "SegmentationClass", "val": "SegmentationClass"}


def read(source: Path, classes: list[str]) -> ImageFiles:
    """The images and label maps of all split lists; a listed image without either is at fault."""
    lists = real_folder(source, "ImageSets", "Segmentation")
    splits = {name: read_list(lists / f"{name}.txt") for name in SPLITS if (lists / f"{name}.txt").exists()}
    if not splits:
        raise InputError(f"{lists} holds none of {', '.join(f'{name}.txt' for name in SPLITS)}; add a split list")
    images = files_by_id(source, "JPEGImages")
    label_files = {folder: files_by_id(source, folder) for folder in {SPLITS[name] for name in splits}}
    listed: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    faults: dict[str, str] = {}
    # In the order of SPLITS, so that SegmentationClass has the last word.
    for name, folder in SPLITS.items():
        for image_id in splits.get(name, []):
            for found, files, below in ((listed, images, "JPEGImages"), (labels, label_files[folder], folder)):
                if image_id in files:
                    found[image_id] = files[image_id]
                else:
                    problem = f"lists {image_id!r}, but {source / below} has no file of that name"
                    faults.setdefault(image_id, f"{lists / f'{name}.txt'} {problem}; add it or drop the line")
    return ImageFiles(source, listed, splits, labels, classes, faults=faults)


def read_list(path: Path) -> list[str]:
    """Image ids, one a line, sorted; blank lines do not count. InputError for an empty list and for an id twice."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    ids = sorted(line.strip() for line in lines if line.strip())
    if not ids:
        raise InputError(f"{path} is empty; list image ids, one a line, or remove the file")
    image_id, count = Counter(ids).most_common(1)[0]
    if count > 1:
        raise InputError(f"{path} lists {image_id} {count} times; list every image once")
    return ids
