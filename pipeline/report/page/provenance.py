"""Where a page comes from: the state of the code, the bytes of its inputs, the parameters of no profile."""

import hashlib
import subprocess
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.params import read_mapping
from pipeline.profile import TABLES, merge, read_overlays
from pipeline.report.page.blocks import Table

# What decides a result; a commit that records one changes none of it, so that it leaves the page as it is.
DECIDING = ("pipeline", "stages", "params.yaml", "dvc.yaml")
DIGITS = 10
NONE = "none"


def code_state(root: Path) -> str:
    """The last commit that changed code or parameters, and whether these differ from it; empty outside of git."""
    commit = _git(root, "log", "-1", "--format=%H", "--", *DECIDING)[:DIGITS]
    if not commit:
        return ""
    # A number of digits of our own: git shortens by how many objects a clone happens to have.
    changed = _git(root, "status", "--porcelain", "--", *DECIDING)
    return f"{commit} with uncommitted changes" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def inputs_table(paths: Iterable[Path]) -> Table:
    """Size and MD5 of each file, which is what dvc.lock has for it."""
    rows = []
    for path in paths:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "md5").hexdigest()
        rows.append((str(path), f"{path.stat().st_size / 1e6:,.2f} MB", digest))
    return Table("Inputs of this page", ["file", "size", "MD5, as in dvc.lock"], rows, folded=True)


def parameters_table(params: Mapping[str, Any], profiles: Path) -> tuple[str, Table]:
    """The profile that `params` are nearest to, and what is different from it, value by value."""
    ours = flat(params)
    compared = {name: _differences(ours, flat(values)) for name, values in profile_values(profiles).items()}
    name = min(compared, key=lambda each: len(compared[each]))
    rows = [(key, _text(value), _text(ours.get(key, NONE))) for key, value in compared[name].items()]
    return name, Table("Parameters", ["parameter", f"profile {name}", "this run"], rows)


def profile_values(profiles: Path) -> Mapping[str, Mapping[str, Any]]:
    """All parameters under each of the profiles, `sample` first, which every other is laid upon."""
    yaml = YAML(typ="safe")
    sample = profiles / "sample.yaml"
    found = {"sample": read_mapping(sample, yaml)}
    for path in sorted(profiles.glob("*.yaml")):
        values = deepcopy(found["sample"])
        for overlay in read_overlays(path, yaml).values():
            merge(values, overlay)
        found[path.stem] = values
    return found


def flat(values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Nested values by their dotted keys; tables of the user's own making stay whole."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value and key not in TABLES:
            found |= flat(value, f"{where}{key}.")
        else:
            found[f"{where}{key}"] = value
    return found


def _differences(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """The other side's value of every key whose value differs, in our order."""
    return {key: theirs.get(key, NONE) for key in ours | theirs if ours.get(key, NONE) != theirs.get(key, NONE)}


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_text(each)}" for key, each in value.items()) or "none"
    return "none" if value == "" else str(value)
