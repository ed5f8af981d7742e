"""Where a network starts: random weights, timm's own download, or a file of weights pinned by its hash."""

import hashlib
import re
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.networks.backbone import Backbone
from pipeline.seeding import seed_torch

# MoCo v2 and DataParallel files wrap the encoder's names in these.
PREFIXES = ("module.", "encoder_q.", "backbone.")
# timm's feature networks may have `stages_0.` for the model's `stages.0.`; segmentation files of dilated residual
# networks have `base.0.` for `layer0.`.
OTHER_NAMES = ((r"^([a-z_]+)_(\d+)\.", r"\1.\2."), (r"^layer(\d)\.", r"base.\1."))


def starting_backbone(name: str, weights: str, sha256: str, seed: int) -> Backbone:
    """A backbone with `weights`: `random` (from `seed`), `timm` (its download), or a file with that sha256."""
    seed_torch(seed, "starting weights")
    backbone = Backbone(name, output_stride=32)
    if weights == "timm":
        _load(backbone, _timm_state_dict(name), f"timm's {name}")
    elif weights != "random":
        _load(backbone, read_state_dict(Path(weights), sha256), weights)
    return backbone


def read_state_dict(path: Path, sha256: str, section: str = "prepare_weights") -> dict[str, Tensor]:
    """Tensors of a safetensors file or of a PyTorch checkpoint, wrapping prefixes removed, as float32.

    Raises InputError when the file is missing, is not the one that `sha256` names, or holds no state dict; it names
    the `section` of params.yaml that asked for the file.
    """
    if not path.is_file():
        raise InputError(f"weights file {path} does not exist; put it there or change {section}.weights")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise InputError(f"weights file {path} has sha256 {found}, not {sha256!r}; set {section}.sha256 to trust it")
    content = _content(path)
    state = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(state, dict):
        raise InputError(f"weights file {path} holds a {type(state).__name__}; save the model's state_dict instead")
    for key, value in state.items():
        if not (isinstance(key, str) and isinstance(value, Tensor)):
            found = f"{type(value).__name__} as {key!r}, not a tensor with a name"
            raise InputError(f"weights file {path} holds a {found}; save the model's state_dict instead")
    return {_unwrapped(key): value.float() for key, value in state.items()}


def _content(path: Path) -> object:
    try:
        return load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise almost any of them
        raise InputError(
            f"weights file {path} cannot be read ({type(error).__name__}): it is damaged or holds other objects; "
            "get it again, or save the model's state_dict alone"
        ) from None


def _timm_state_dict(name: str) -> dict[str, Tensor]:
    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # those of whichever client downloads it
        raise InputError(
            f"timm's weights of {name} could not be downloaded ({type(error).__name__}); "
            "set prepare_weights.weights to a file of weights"
        ) from None


def _unwrapped(key: str) -> str:
    for prefix in PREFIXES:
        key = key.removeprefix(prefix)
    return key


def _renamed(state: dict[str, Tensor], backbone: Backbone) -> dict[str, Tensor]:
    """The state under the backbone's names, where the file has one of `OTHER_NAMES` for them."""
    renamed = dict(state)
    for ours, theirs in OTHER_NAMES:
        names = {key: re.sub(ours, theirs, key) for key in backbone.body.state_dict()}
        renamed |= {key: state[name] for key, name in names.items() if key not in state and name in state}
    return renamed


def _load(backbone: Backbone, state: dict[str, Tensor], origin: str) -> None:
    remedy = "set prepare_weights.backbone to its model"
    load_checked(backbone.body, _renamed(state, backbone), origin, backbone.name, remedy)


def load_checked(network: nn.Module, state: dict[str, Tensor], origin: str, name: str, remedy: str) -> None:
    """Load what `network`, called `name`, has; InputError with `remedy` for a tensor that is missing or misshapen."""
    for key, needed in network.state_dict().items():
        if key in state and state[key].shape != needed.shape:
            found, shape = list(state[key].shape), list(needed.shape)
            raise InputError(f"{origin} has {key} of shape {found} but {name} needs {shape}; {remedy}")
    # Files hold classifiers that the network lacks; what the network has must all be there.
    missing = network.load_state_dict(state, strict=False).missing_keys
    if missing:
        raise InputError(f"{origin} lacks {missing[0]} and {len(missing) - 1} more tensors of {name}; {remedy}")
