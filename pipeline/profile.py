"""`python -m pipeline.profile NAME` merges profiles/NAME.yaml into params.yaml.

A profile is an overlay: only the keys that differ from the committed state, in the same nesting. Comments and
order of params.yaml are kept, so `dvc params diff` and `git diff` show exactly the values that changed.
`python -m pipeline.profile sample` brings the small state back.
"""

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


def apply(overlay: Path, params: Path = Path("params.yaml")) -> list[str]:
    """Merge the overlay into `params` and check the outcome; on any error `params` stays as it was."""
    if not overlay.exists():
        names = ", ".join(sorted(path.stem for path in overlay.parent.glob("*.yaml")))
        known = f"the profiles are {names}" if names else "run from the root of the repository"
        raise InputError(f"{overlay} does not exist; {known}")
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 120
    content = read_mapping(params, yaml)
    changed = merge(content, read_mapping(overlay, yaml)) + forget_unread_sets(content)
    with replacing(params) as temporary:
        yaml.dump(content, temporary)
        load(temporary, f"{overlay} merged into {params}")
    return changed


def main(arguments: list[str]) -> int:
    """Command line: one argument, the profile's name."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if len(arguments) != 1:
            raise InputError("name one profile, as in `python -m pipeline.profile voc`")
        changed = apply(Path("profiles") / f"{arguments[0]}.yaml")
    except InputError as error:
        logging.error("error: %s", error)
        return 1
    logging.info("\n".join([f"{len(changed)} values changed", *changed]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
