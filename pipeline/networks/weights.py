"""Network files: a state dict with the facts needed to build the network again, saved byte for byte the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.packed import replacing


def save_network(path: Path, kind: str, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Save a network; `config` holds plain numbers, strings and lists.

    Tensors are cloned, since a view would drag its whole base into the file; and the file is written through an
    open handle, since `torch.save` to a path writes the file's name into it.
    """
    cpu = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.save({"kind": kind, "config": dict(config), "state": cpu}, file)


def read_network(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Config and state dict of a file of that kind; InputError for a missing, damaged or another kind of file."""
    if not path.exists():
        raise InputError(f"{path} does not exist; run `dvc repro` or `dvc pull` to make it")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise almost any of them
        raise InputError(f"{path} is damaged ({type(error).__name__}); delete it and run `dvc repro`") from None
    if content.get("kind") != kind:
        raise InputError(f"{path} holds a {content.get('kind')!r} network, not {kind!r}; check the stage's input paths")
    return content["config"], content["state"]
