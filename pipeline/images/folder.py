"""Layout `folder`: every image below a folder, without labels. Also how the other layouts list their files."""

import os
from pathlib import Path

from pipeline.errors import InputError
from pipeline.images.packing import ImageFiles

SUFFIXES = {".jpg", ".jpeg", ".png"}


def read(source: Path) -> ImageFiles:
    """All images below `source`, however deep; their one split, `all`, can be limited but is not recorded."""
    images = files_by_id(source)
    return ImageFiles(source, images, {"all": sorted(images)})


def files_by_id(source: Path, *below: str) -> dict[str, Path]:
    """Image files in the folder `source/below` and its subfolders, by id: the path without suffix, `__` for `/`.

    Names that begin with a dot are skipped. InputError for a folder that is missing, linked or empty of images, and
    for two files with one id.
    """
    folder = real_folder(source, *below)
    found: dict[str, Path] = {}
    for root, folders, names in os.walk(folder):
        folders[:] = [real_folder(Path(root), name).name for name in sorted(folders) if not name.startswith(".")]
        for path in (Path(root, name) for name in sorted(names)):
            if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                continue
            image_id = "__".join(path.relative_to(folder).with_suffix("").parts)
            if image_id in found:
                raise InputError(f"{path} and {found[image_id]} have the same id {image_id}; rename or remove one")
            found[image_id] = path
    if not found:
        raise InputError(f"{folder} holds no image (.jpg, .jpeg, .png); check the source and layout in params.yaml")
    return found


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
