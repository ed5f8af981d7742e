"""Where a network starts: random weights, timm's own download, or a file of weights pinned by its hash."""

import hashlib
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor

from pipeline.errors import InputError
from pipeline.networks.backbone import Backbone
from pipeline.seeding import seed_torch

# MoCo v2 and DataParallel files wrap the encoder's names in these.
PREFIXES = ("module.", "encoder_q.", "backbone.")


def starting_backbone(name: str, weights: str, sha256: str, seed: int) -> Backbone:
    """A backbone with `weights`: `random` (from `seed`), `timm` (its download), or a file with that sha256."""
    seed_torch(seed, "starting weights")
    backbone = Backbone(name, output_stride=32)
    if weights == "timm":
        _load(backbone, timm.create_model(name, pretrained=True).state_dict(), f"timm's {name}")
    elif weights != "random":
        _load(backbone, read_state_dict(Path(weights), sha256), weights)
    return backbone


def read_state_dict(path: Path, sha256: str) -> dict[str, Tensor]:
    """Tensors of a safetensors file or of a PyTorch checkpoint, wrapping prefixes removed, as float32.

    Raises InputError when the file is missing or is not the one that `sha256` names.
    """
    if not path.exists():
        raise InputError(f"weights file {path} does not exist; put it there or set prepare_weights.weights to random")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise InputError(
            f"weights file {path} has sha256 {found}, not {sha256!r}; set prepare_weights.sha256 to trust it"
        )
    if path.suffix == ".safetensors":
        state = load_file(path)
    else:
        content = torch.load(path, map_location="cpu", weights_only=True)
        state = content.get("state_dict", content)
    return {_unwrapped(key): value.float() for key, value in state.items()}


def _unwrapped(key: str) -> str:
    for prefix in PREFIXES:
        key = key.removeprefix(prefix)
    return key


def _load(backbone: Backbone, state: dict[str, Tensor], origin: str) -> None:
    # Files hold classifiers that the backbone lacks; what the backbone has must all be there.
    missing = backbone.body.load_state_dict(state, strict=False).missing_keys
    if missing:
        raise InputError(
            f"{origin} lacks {missing[0]} and {len(missing) - 1} more tensors of {backbone.name}; name its model"
        )
