"""Layout `folder`: every image below a folder. Also how the other layouts list their files.

ImageNet's folders of classes are one: `n01440764/n01440764_10026.JPEG` becomes `n01440764__n01440764_10026`.
`splits/val.txt` may name images to hold out, and `splits/train.txt` those to learn from; otherwise a share is drawn.
`labels/classes.txt` (a name a line, background first) makes `labels/` a folder of label maps, which lie there as their
images lie in the folder. Images without one are not scored.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from pipeline.errors import InputError
from pipeline.images.packing import ImageFiles

SUFFIXES = (".jpg", ".jpeg", ".png")
LABELS, CLASSES, LISTS = "labels", "classes.txt", "splits"


def read(source: Path, val_fraction: float = 0.0, seed: int = 0) -> ImageFiles:
    """All images below `source`, however deep, in the split `all`, which can be limited but is not recorded.

    With lists, or with a `val_fraction`, there are also `train` (and the same as `trainaug`) and `val`. InputError for
    a list that names no image, and for label maps none of which has an image.
    """
    images = files_by_id(source)
    if not (source / LABELS / CLASSES).exists():
        return ImageFiles(source, images, splits_of(source, sorted(images), val_fraction, seed))
    images = {image_id: path for image_id, path in images.items() if not image_id.startswith(f"{LABELS}__")}
    found = files_by_id(source, LABELS)
    labels = {image_id: path for image_id, path in found.items() if image_id in images}
    if not labels:
        path = next(iter(found.values()))
        raise InputError(f"{path} is the label map of no image in {source}; name label maps like their images")
    splits = splits_of(source, sorted(images), val_fraction, seed)
    classes = read_list(source / LABELS / CLASSES, sort=False)
    return ImageFiles(source, images, splits, labels, classes, unpaired=len(found) - len(labels), partly_labelled=True)


def splits_of(source: Path, ids: list[str], val_fraction: float, seed: int) -> dict[str, list[str]]:
    """The splits that `source` lists, or else draws from the seed; InputError when they cannot be had."""
    val_list, train_list = (source / LISTS / f"{name}.txt" for name in ("val", "train"))
    if not (val_list.exists() or train_list.exists() or val_fraction):
        return {"all": ids}
    if val_list.exists() or train_list.exists():
        val = _listed(val_list, ids)
        train = _listed(train_list, ids) if train_list.exists() else sorted(set(ids) - set(val))
    else:
        val, train = drawn(ids, val_fraction, seed)
    if not (val and train):
        raise InputError(
            f"{source} leaves no image for {'train' if val else 'val'}; add images, or set val_fraction to 0"
        )
    return {"all": ids, "train": train, "trainaug": train, "val": val}


def drawn(ids: list[str], fraction: float, seed: int) -> tuple[list[str], list[str]]:
    """About a `fraction` of the ids, at least one, and the others, at least one where there are two.

    Every id has its own draw, so that images which are added later leave nearly all others where they are.
    """
    draws = {image_id: int(sha256(f"{seed} {image_id}".encode()).hexdigest()[:8], 16) / 2**32 for image_id in ids}
    count = sum(draw < fraction for draw in draws.values())
    order = sorted(ids, key=lambda image_id: (draws[image_id], image_id))
    count = min(max(count, 1), max(len(ids) - 1, 0))
    return sorted(order[:count]), sorted(order[count:])


def _listed(path: Path, ids: Collection[str]) -> list[str]:
    """Ids of a list, which may also be written as paths with suffix."""
    found = [_as_id(line) if line not in ids else line for line in read_list(path)]
    unknown = sorted(set(found) - set(ids))
    if unknown:
        raise InputError(f"{path} names {unknown[0]!r}, which is no image of {path.parents[1]}; take it off the list")
    return found


def _as_id(line: str) -> str:
    stem, _, suffix = line.rpartition(".")
    return (stem if f".{suffix.lower()}" in SUFFIXES else line).replace("/", "__")


def files_by_id(source: Path, *below: str, suffixes: Collection[str] = SUFFIXES) -> dict[str, Path]:
    """Image files in the folder `source/below` and its subfolders, by id: the path without suffix, `__` for `/`.

    `suffixes` are of lower case and stand for upper case too. Names that begin with a dot are skipped.
    InputError for a folder that is missing, linked or empty of images, and for two files with one id.
    """
    folder = real_folder(source, *below)
    found: dict[str, Path] = {}
    for root, folders, names in os.walk(folder):
        folders[:] = [real_folder(Path(root), name).name for name in sorted(folders) if not name.startswith(".")]
        here = Path(root)
        prefix = "".join(f"{part}__" for part in here.relative_to(folder).parts)
        for name in sorted(names):
            stem, _, suffix = name.rpartition(".")
            if name.startswith(".") or f".{suffix.lower()}" not in suffixes:
                continue
            image_id = prefix + stem
            if image_id in found:
                raise InputError(
                    f"{here / name} and {found[image_id]} have the same id {image_id}; rename or remove one"
                )
            found[image_id] = here / name
    if not found:
        raise InputError(f"{folder} holds no image ({', '.join(suffixes)}); check the source and layout in params.yaml")
    return found


def listed_files(
    origin: Path, ids: Iterable[str], folder: Path, files: Mapping[str, Path]
) -> tuple[dict[str, Path], dict[str, str]]:
    """Those of `files`, which lie in `folder`, that `ids` name; and of the other ids a sentence each, for `faults`."""
    problem = f"but {folder} has no file of that name; add it or take the id off the list"
    found: dict[str, Path] = {}
    faults: dict[str, str] = {}
    for image_id in ids:
        if image_id in files:
            found[image_id] = files[image_id]
        else:
            faults[image_id] = f"{origin} lists {image_id!r}, {problem}"
    return found, faults


def real_folder(source: Path, *below: str) -> Path:
    """The folder `source/below`; InputError when it is missing, or is reached by a link below `source`.

    `source` itself may be a link. DVC follows that one, but no linked folder inside a dependency: it takes it for
    empty, so changed data would not be noticed and another data set's packed images could be restored for it.
    """
    folder = source
    for name in below:
        folder = folder / name
        if folder.is_symlink():
            raise InputError(
                f"{folder} is a linked folder, which DVC does not look into; link its files one by one instead:"
                f" rm {folder} && cp -rs {folder.resolve()} {folder}"
            )
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; put or link the data there as docs/data.md shows")
    return folder


def read_list(path: Path, sort: bool = True) -> list[str]:
    """Image ids or names, one a line, sorted unless told otherwise; blank lines do not count.

    InputError for a list that is missing or empty, and for an id twice.
    """
    if not path.is_file():
        raise InputError(f"{path} is not there; add the list, image ids one a line")
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    ids = [line.strip() for line in lines if line.strip()]
    if not ids:
        raise InputError(f"{path} is empty; list image ids, one a line, or remove the file")
    image_id, count = Counter(ids).most_common(1)[0]
    if count > 1:
        raise InputError(f"{path} lists {image_id} {count} times; list every image once")
    return sorted(ids) if sort else ids
