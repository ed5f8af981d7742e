"""Layout `folder`: every image below a folder, without labels. Also how the other layouts list their files.

ImageNet's folders of classes are one: `n01440764/n01440764_10026.JPEG` becomes `n01440764__n01440764_10026`.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from pipeline.errors import InputError
from pipeline.images.packing import ImageFiles

SUFFIXES = (".jpg", ".jpeg", ".png")


def read(source: Path) -> ImageFiles:
    """All images below `source`, however deep; their one split, `all`, can be limited but is not recorded."""
    images = files_by_id(source)
    return ImageFiles(source, images, {"all": sorted(images)})


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
