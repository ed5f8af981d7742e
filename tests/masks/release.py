"""The released BAS-Net as a table of tensors and a plain function of them, in the names of its `basnet.pth`."""

import torch
import torch.nn.functional as F
from torch import Tensor

NORM = ("weight", "bias", "running_mean", "running_var")
LAYERS = {"encoder1": (3, 1, 1), "encoder2": (4, 1, 2), "encoder3": (6, 2, 4), "encoder4": (3, 4, 8)}
# Decoder stages: channels inside and channels out, in multiples of the width.
STAGES = {6: (8, 8), 5: (8, 8), 4: (8, 4), 3: (4, 2), 2: (2, 1), 1: (1, 1)}


def shapes(w: int = 64) -> dict[str, list[int]]:
    """Every tensor's shape at width `w`; the release was saved before batch norms counted their batches."""
    found = _unit("inconv", "inbn", 3, w)
    for layer, (count, inputs, outputs) in LAYERS.items():
        for j in range(count):
            found |= _block(f"{layer}.{j}", w * (outputs if j else inputs), w * outputs)
    for j in (1, 2, 3):
        found |= _block(f"resb5_{j}", 8 * w, 8 * w) | _block(f"resb6_{j}", 8 * w, 8 * w)
        found |= _unit(f"convbg_{'1m2'[j - 1]}", f"bnbg_{'1m2'[j - 1]}", 8 * w, 8 * w)
    for k, (inside, outputs) in STAGES.items():
        found |= _unit(f"conv{k}d_1", f"bn{k}d_1", 2 * inside * w, inside * w)
        found |= _unit(f"conv{k}d_m", f"bn{k}d_m", inside * w, inside * w)
        found |= _unit(f"conv{k}d_2", f"bn{k}d_2", inside * w, outputs * w)
        found |= _unit(f"outconv{k}", "", outputs * w, 1)
    found |= _unit("outconvb", "", 8 * w, 1) | _unit("refunet.conv0", "", 1, w) | _unit("refunet.conv_d0", "", w, 1)
    for k in (1, 2, 3, 4):
        found |= _unit(f"refunet.conv{k}", f"refunet.bn{k}", w, w)
        found |= _unit(f"refunet.conv_d{k}", f"refunet.bn_d{k}", 2 * w, w)
    return found | _unit("refunet.conv5", "refunet.bn5", w, w)


def _unit(conv: str, norm: str, inputs: int, outputs: int, size: int = 3, bias: bool = True) -> dict[str, list[int]]:
    found = {f"{conv}.weight": [outputs, inputs, size, size]} | ({f"{conv}.bias": [outputs]} if bias else {})
    return found | ({f"{norm}.{part}": [outputs] for part in NORM} if norm else {})


def _block(name: str, inputs: int, outputs: int) -> dict[str, list[int]]:
    found = _unit(f"{name}.conv1", f"{name}.bn1", inputs, outputs, bias=False)
    found |= _unit(f"{name}.conv2", f"{name}.bn2", outputs, outputs, bias=False)
    shortcut = _unit(f"{name}.downsample.0", f"{name}.downsample.1", inputs, outputs, 1, bias=False)
    return found | (shortcut if inputs != outputs else {})


def random_state(w: int) -> dict[str, Tensor]:
    """Tensors of about unit gain, all different, so that a layer in another's place is noticed."""
    random = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in shapes(w).items():
        values = torch.rand(shape, generator=random)
        state[name] = (values - 0.5) * (6 / values[0].numel()) ** 0.5 if len(shape) == 4 else values + 0.5
    return state


class Release:
    """The release as a function: logits of the eight outputs of normalised images with sides divisible by 32."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = state

    def __call__(self, images: Tensor) -> Tensor:
        skips = self.encoded(images)
        x = skips[-1]
        for part in "1m2":
            x = self.unit("", f"bg_{part}", x, 2)
        sides = [larger(self.conv("outconvb", x), 32)]
        for k in STAGES:
            x = torch.cat([x if k == 6 else larger(x), skips.pop()], 1)
            for part in "1m2":
                x = self.unit("", f"{k}d_{part}", x, 2 if (k, part) in [(6, "m"), (6, "2")] else 1)
            sides.append(larger(self.conv(f"outconv{k}", x), 2 ** (k - 1)))
        return torch.cat([self.refined(sides[-1]), *reversed(sides)], 1)

    def encoded(self, images: Tensor) -> list[Tensor]:
        x, skips = self.unit("in", "", images), []
        for layer, (count, inputs, outputs) in LAYERS.items():
            for j in range(count):
                x = self.block(f"{layer}.{j}", x, 2 if j == 0 and inputs != outputs else 1)
            skips.append(x)
        for k in (5, 6):
            x = F.max_pool2d(x, 2)
            for j in (1, 2, 3):
                x = self.block(f"resb{k}_{j}", x)
            skips.append(x)
        return skips

    def refined(self, coarse: Tensor) -> Tensor:
        x, skips = self.conv("refunet.conv0", coarse), []
        for k in (1, 2, 3, 4):
            skips.append(self.unit("refunet.", f"{k}", x))
            x = F.max_pool2d(skips[-1], 2)
        x = self.unit("refunet.", "5", x)
        for k in (4, 3, 2, 1):
            x = self.unit("refunet.", f"_d{k}", torch.cat([larger(x), skips.pop()], 1))
        return coarse + self.conv("refunet.conv_d0", x)

    def conv(self, name: str, x: Tensor, dilation: int = 1) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.conv2d(x, weight, bias, padding=dilation, dilation=dilation)

    def norm(self, name: str, x: Tensor) -> Tensor:
        weight, bias, mean, var = (self.state[f"{name}.{part}"] for part in NORM)
        return F.batch_norm(x, mean, var, weight, bias)

    def unit(self, before: str, after: str, x: Tensor, dilation: int = 1) -> Tensor:
        return self.norm(f"{before}bn{after}", self.conv(f"{before}conv{after}", x, dilation)).relu()

    def block(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        inner = F.conv2d(x, self.state[f"{name}.conv1.weight"], stride=stride, padding=1)
        inner = F.conv2d(self.norm(f"{name}.bn1", inner).relu(), self.state[f"{name}.conv2.weight"], padding=1)
        if stride > 1:
            x = self.norm(f"{name}.downsample.1", F.conv2d(x, self.state[f"{name}.downsample.0.weight"], stride=stride))
        return (self.norm(f"{name}.bn2", inner) + x).relu()


def larger(x: Tensor, factor: int = 2) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear")
