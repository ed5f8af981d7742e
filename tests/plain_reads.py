"""Runs the snippets by which docs and docstrings read containers with plain h5py."""

import io
import textwrap
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
DOCUMENTED = {"path": "data/{}/target.h5", "id": "2007_000033"}


def documented_read(container: str) -> str:
    """The lines of docs/data.md that read one image of `data/<container>/target.h5`."""
    return _snippet((ROOT / "docs" / "data.md").read_text(), container)


def docstring_read(module: ModuleType, container: str) -> str:
    """The lines of a module's docstring that do so."""
    return _snippet(textwrap.dedent("    " + str(module.__doc__)), container)


def _snippet(text: str, container: str) -> str:
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if f'h5py.File("{DOCUMENTED["path"].format(container)}")' in line)
    return textwrap.dedent("\n".join(lines[start : start + 3]))


def run(snippet: str, path: Path, image_id: str) -> dict[str, object]:
    """The variables after the snippet has read image `image_id` of the file `path`."""
    container = snippet.split("data/")[1].split("/")[0]
    code = snippet.replace(DOCUMENTED["path"].format(container), str(path)).replace(DOCUMENTED["id"], image_id)
    variables: dict[str, object] = {"h5py": h5py, "np": np, "io": io, "Image": Image}
    exec(code, variables)
    return variables
