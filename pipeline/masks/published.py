"""The tensors of the released BAS-Net (Qin et al., CVPR 2019) under the names that they have here.

The release numbers layers one by one; here a stage is a list. The mapping goes by module, and within a residual block
the names are the same.
"""

from collections.abc import Mapping

from torch import Tensor

from pipeline.errors import InputError


def from_published(state: Mapping[str, Tensor], origin: str) -> dict[str, Tensor]:
    """The released state dict under the names of `BasNet`; InputError names `origin` and a tensor without a place."""
    renamed, places = {}, _places()
    for name, tensor in state.items():
        module = next((each for each in places if name.startswith(f"{each}.")), None)
        if module is None:
            raise InputError(f"{origin} holds {name}, which the released BAS-Net has not; give its basnet.pth")
        renamed[places[module] + name.removeprefix(module)] = tensor
    return renamed


def _places() -> dict[str, str]:
    """The module here of every module of the release."""
    places = _block("in", "", "encoder.stem")
    places |= {f"encoder{k}": f"encoder.backbone.layer{k}" for k in (1, 2, 3, 4)}
    places |= {f"resb{k}_{j}": f"encoder.deeper.{k - 5}.{j}" for k in (5, 6) for j in (1, 2, 3)}
    for i, part in enumerate("1m2"):
        places |= _block("", f"bg_{part}", f"bridge.{i}")
        for k in range(6):
            places |= _block("", f"{6 - k}d_{part}", f"decoder.{k}.{i}")
    places |= {f"outconv{level}": f"heads.{i}" for i, level in enumerate("b654321")}
    places |= {"refunet.conv0": "refiner.stem", "refunet.conv_d0": "refiner.head"}
    places |= _block("refunet.", "5", "refiner.bottom")
    for k in range(4):
        places |= _block("refunet.", f"{k + 1}", f"refiner.down.{k}")
        places |= _block("refunet.", f"_d{4 - k}", f"refiner.up.{k}")
    return places


def _block(before: str, after: str, here: str) -> dict[str, str]:
    """A convolution and its batch normalisation."""
    return {f"{before}conv{after}": f"{here}.0", f"{before}bn{after}": f"{here}.1"}
