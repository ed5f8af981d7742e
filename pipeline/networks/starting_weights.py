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
from pipeline.networks.checkpoint_layouts import backbone_tensors, named
from pipeline.networks.drn import DRNS
from pipeline.seeding import seed_torch

# What DataParallel puts before every name.
PARALLEL = "module."
# timm's feature networks may have `stages_0.` for the model's `stages.0.`; segmentation files of dilated residual
# networks have `base.0.` for `layer0.`.
OTHER_NAMES = ((r"^([a-z_]+)_(\d+)\.", r"\1.\2."), (r"^layer(\d)\.", r"base.\1."))


def starting_backbone(
    name: str, weights: str, sha256: str, seed: int, output_stride: int = 32, section: str = "prepare_weights"
) -> Backbone:
    """A backbone with `weights`: `random` (from `seed`), `timm` (its download), or a file with that sha256.

    A file is a checkpoint in one of `checkpoint_layouts.LAYOUTS`. Raises InputError when it is not, or when a tensor
    is missing, misshapen or left over; it names the `section` of params.yaml that asked for the weights.
    """
    seed_torch(seed, "starting weights")
    backbone = Backbone(name, output_stride)
    if weights == "timm":
        _load(backbone, _timm_state_dict(name, section), f"timm's {name}", section)
    elif weights != "random":
        _load(backbone, backbone_tensors(read_state_dict(Path(weights), sha256, section), weights), weights, section)
    return backbone


def read_state_dict(path: Path, sha256: str, section: str = "prepare_weights") -> dict[str, Tensor]:
    """Tensors of a safetensors file or of a PyTorch checkpoint, in float32, by their names without `module.`.

    A checkpoint is a state dict, or has one as its `state_dict` or `model`. Nothing that a file brings along is run.
    Raises InputError when the file is missing, is not the one that `sha256` names, or holds no state dict; it names
    the `section` of params.yaml that asked for the file.
    """
    if not path.is_file():
        raise InputError(f"weights file {path} does not exist; put it there or change {section}.weights")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise InputError(f"weights file {path} has sha256 {found}, not {sha256!r}; set {section}.sha256 to trust it")
    content = _content(path)
    state = content.get("state_dict", content.get("model", content)) if isinstance(content, dict) else content
    if not isinstance(state, dict):
        raise InputError(f"weights file {path} holds a {type(state).__name__}; save the model's state_dict instead")
    for key, value in state.items():
        if not (isinstance(key, str) and isinstance(value, Tensor)):
            found = f"{type(value).__name__} as {key!r}, not a tensor with a name"
            raise InputError(f"weights file {path} holds a {found}; save the model's state_dict instead")
    return {key.removeprefix(PARALLEL): value.float() for key, value in state.items()}


def _content(path: Path) -> object:
    try:
        return load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise almost any of them
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        fault = f"holds {refused[1]}, which is no tensor and was not run" if refused else "is damaged"
        raise InputError(
            f"weights file {path} cannot be read ({type(error).__name__}): it {fault}; "
            "get it again, or save the model's state_dict alone"
        ) from None


def _timm_state_dict(name: str, section: str) -> dict[str, Tensor]:
    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # those of whichever client downloads it
        raise InputError(
            f"timm's weights of {name} could not be downloaded ({type(error).__name__}); "
            f"set {section}.weights to a file of weights"
        ) from None


def _load(backbone: Backbone, state: dict[str, Tensor], origin: str, section: str) -> None:
    own = backbone.body.state_dict()
    places = {re.sub(ours, theirs, key): key for key in own for ours, theirs in OTHER_NAMES} | {key: key for key in own}
    renamed = {places.get(key, key): value for key, value in state.items()}
    rest = set() if renamed.keys() <= own.keys() else _whole_model(backbone.name)
    kept = {key: value for key, value in renamed.items() if key in own or key not in rest}
    load_checked(backbone.body, kept, origin, backbone.name, f"set {section}.backbone to its model")


def _whole_model(name: str) -> set[str]:
    """The names of the whole model's tensors: those of its classifier, and of what leads to it, are no backbone's."""
    return set() if name in DRNS else set(timm.create_model(name, pretrained=False).state_dict())


def load_checked(network: nn.Module, state: dict[str, Tensor], origin: str, name: str, remedy: str) -> None:
    """Load all of `state`, which is all that `network`, called `name`, has.

    Raises InputError with `remedy` and the names of tensors that are misshapen, missing or left over.
    """
    for key, needed in network.state_dict().items():
        if key in state and state[key].shape != needed.shape:
            found, shape = list(state[key].shape), list(needed.shape)
            raise InputError(f"{origin} has {key} of shape {found} but {name} needs {shape}; {remedy}")
    missing, unexpected = network.load_state_dict(state, strict=False)
    wrong = [f"lacks {named(missing)} of {name}"] if missing else []
    wrong += [f"holds {named(unexpected)}, which {name} has not"] if unexpected else []
    if wrong:
        raise InputError(f"{origin} {' and '.join(wrong)}; {remedy}")
