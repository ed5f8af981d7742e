"""The committed params.yaml with some values changed."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline import params

COMMITTED = Path(__file__).parents[1] / "params.yaml"


def load_changed(tmp_path: Path, section: str, **changes: Any) -> params.Params:
    """The committed file with keys of one section set, or left out where the value is None."""
    content = YAML(typ="safe").load(COMMITTED)
    content[section] = {key: value for key, value in (content[section] | changes).items() if value is not None}
    path = tmp_path / "params.yaml"
    YAML().dump(content, path)
    return params.load(path)
