"""`python -m pipeline.profile NAME [FOLDER]` merges profiles/NAME.yaml into params.yaml.

A profile is an overlay: only the keys that differ from the committed state, in the same nesting. Comments and
order of params.yaml are kept, so `dvc params diff` and `git diff` show exactly the values that changed. One that
`extends` another is merged after that one. `python -m pipeline.profile sample` brings the small state back.
With FOLDER, the place in data/raw that the profile takes its target images from becomes a link to it.
"""

import argparse
import logging
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.packed import replacing
from pipeline.params import PackImages, load, read_mapping

# Values of these keys are tables of the user's own making (splits, priors or networks), replaced whole and not merged.
TABLES = {"limit", "thresholds", "score_baselines"}


def merge(base: MutableMapping, overlay: Mapping, where: str = "") -> list[str]:
    """Put the overlay's values into `base`; returns the dotted keys whose value changed.

    Raises InputError for a key that `base` does not have, or that is a single value there and a mapping here.
    """
    changed = []
    for key, value in overlay.items():
        name = f"{where}{key}"
        if key not in base and where == "pack_images.":
            base[key] = value  # one more set to pretrain on
            changed.append(name)
        elif key not in base:
            raise InputError(f"profile key {name} (value {value!r}) is not in params.yaml; correct or remove it")
        elif isinstance(value, Mapping) and key not in TABLES:
            if not isinstance(base[key], MutableMapping):
                raise InputError(
                    f"profile key {name} is {dict(value)} but {base[key]!r} in params.yaml; give a value of that kind"
                )
            changed += merge(base[key], value, f"{name}.")
        elif base[key] != value:
            base[key] = value
            changed.append(name)
    return changed


def forget_unread_sets(content: MutableMapping) -> list[str]:
    """Remove the sets that another profile pretrained on and this one does not; returns their dotted keys."""
    sets, base = content["pack_images"], content["base"]
    if not (isinstance(sets, MutableMapping) and isinstance(base, MutableMapping)):
        return []  # refused when the outcome is checked
    unread = [name for name in sets if name not in (*PackImages.model_fields, base.get("pretraining_set"))]
    for name in unread:
        del sets[name]
    return [f"pack_images.{name}" for name in unread]


def read_overlays(path: Path, yaml: YAML) -> dict[Path, Mapping]:
    """The overlay in a file, after those that it extends; InputError for one that is not there or extends itself."""
    overlays: dict[Path, Mapping] = {}
    while path:
        if not path.exists():
            names = ", ".join(sorted(found.stem for found in path.parent.glob("*.yaml")))
            known = f"the profiles are {names}" if names else "run from the root of the repository"
            raise InputError(f"{path} does not exist; {known}")
        if path in overlays:
            raise InputError(f"{path} extends itself; take `extends` out of it, or out of {[*overlays][-1]}")
        overlays[path] = overlay = read_mapping(path, yaml)
        extended = overlay.pop("extends", None)
        path = extended and path.with_name(f"{extended}.yaml")
    return dict(reversed(overlays.items()))


def apply(overlay: Path, params: Path = Path("params.yaml"), folder: Path | None = None) -> list[str]:
    """Merge the overlay into `params` and check the outcome; on any error `params` stays as it was.

    Returns the dotted keys that changed. With a `folder` its images become the target, as `link_images` says.
    """
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 120
    overlays = read_overlays(overlay, yaml)
    content = read_mapping(params, yaml)
    changed = [key for each in overlays.values() for key in merge(content, each)]
    changed += forget_unread_sets(content)
    with replacing(params) as temporary:
        yaml.dump(content, temporary)
        outcome = load(temporary, f"{overlay} merged into {params}")
        if folder is not None:
            link_images(folder, Path("data/raw") / outcome.pack_images.target.source)
    return list(dict.fromkeys(changed))


def link_images(folder: Path, place: Path) -> None:
    """Make `place` a link to `folder`; InputError when that is no folder, or something else than a link is there."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; name the one that holds the images")
    if place.exists() and not place.is_symlink():
        raise InputError(f"{place} is there already and is no link; move it away, or leave the folder out")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(folder.resolve())


def main(arguments: list[str]) -> int:
    """Command line: the profile's name, and a folder of images where it is to be linked."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="python -m pipeline.profile", description=__doc__)
    parser.add_argument("name", help="of a file in profiles/")
    parser.add_argument("folder", nargs="?", type=Path, help="of images, to be linked into data/raw")
    given = parser.parse_args(arguments)
    try:
        changed = apply(Path("profiles") / f"{given.name}.yaml", folder=given.folder)
    except InputError as error:
        logging.error("error: %s", error)
        return 1
    logging.info("\n".join([f"{len(changed)} values changed", *changed]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
