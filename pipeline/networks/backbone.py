"""Backbones by name, timm's and dilated residual networks: a pyramid of feature maps at a chosen output stride."""

from pathlib import Path

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.networks.drn import DRNS, Drn
from pipeline.networks.weights import read_network, save_network


class Backbone(nn.Module):
    """A model cut into its feature stages: one of timm's, or `drn_d_22` or `drn_d_105`.

    `channels[i]` and `strides[i]` describe stage i; with output stride 8 the later stages are dilated instead of
    strided. A dilated residual network is built for 8 and keeps it when 16 or 32 is asked for. `mean` and `std`
    normalise RGB in [0, 1] as the model's weights expect.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, output_stride: int) -> None:
        super().__init__()
        if not (name in DRNS or timm.is_model(name)):
            raise InputError(f"{name!r} is no timm model, nor {' or '.join(DRNS)}; `timm.list_models()` lists timm's")
        self.name, self.output_stride = name, output_stride
        self.body = _feature_stages(name, output_stride)
        self.channels: list[int] = self.body.feature_info.channels()  # type: ignore[union-attr, operator]
        self.strides: list[int] = self.body.feature_info.reduction()  # type: ignore[union-attr, operator]
        config = self.body.default_cfg or {}  # type: ignore[union-attr]
        for statistic, fallback in (("mean", (0.485, 0.456, 0.406)), ("std", (0.229, 0.224, 0.225))):
            values = torch.tensor(config.get(statistic, fallback)).view(1, 3, 1, 1)  # type: ignore[union-attr, operator]
            self.register_buffer(statistic, values, persistent=False)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Feature maps of all stages, finest first, for RGB images in [0, 1]."""
        return self.body((images - self.mean) / self.std)

    def freeze_stages(self, stages: int) -> None:
        """Fix the weights and batch-norm statistics of the stem and the first `stages` feature stages; 0 fixes none.

        Stays in force through `train()`. More stages than there are raises InputError.
        """
        if stages > len(self.channels):
            raise InputError(
                f"{self.name} has {len(self.channels)} stages and {stages} cannot be frozen; lower frozen_stages"
            )
        self.frozen = _modules_up_to(self.body, stages) if stages else []
        for module in self.frozen:
            module.requires_grad_(False)
            module.eval()

    def train(self, mode: bool = True) -> "Backbone":
        """As `nn.Module.train`, but frozen stages stay in evaluation mode."""
        super().train(mode)
        for module in getattr(self, "frozen", []):
            module.eval()
        return self


def save_backbone(path: Path, backbone: Backbone) -> None:
    """Save a backbone's weights under its name."""
    save_network(path, "backbone", {"backbone": backbone.name}, backbone.body.state_dict())


def load_backbone(path: Path, output_stride: int) -> Backbone:
    """The backbone of a file made by `save_backbone`, at an output stride of 8, 16 or 32."""
    config, state = read_network(path, "backbone")
    backbone = Backbone(config["backbone"], output_stride)
    backbone.body.load_state_dict(state)
    return backbone


def _feature_stages(name: str, output_stride: int) -> nn.Module:
    if name in DRNS:
        return Drn(name)
    try:
        return timm.create_model(name, pretrained=False, features_only=True, output_stride=output_stride)
    except (AssertionError, RuntimeError, TypeError):  # each family of models refuses in its own way
        raise InputError(
            f"timm model {name!r} has no feature stages at output stride {output_stride}; "
            "choose a convolutional one, such as resnet50"
        ) from None


def _modules_up_to(body: nn.Module, stages: int) -> list[nn.Module]:
    """Every module that runs before or at the last module of feature stage `stages`, in timm's order."""
    last: str = body.feature_info.module_name()[stages - 1]  # type: ignore[union-attr, operator]
    head, *rest = last.split(".")
    frozen: list[nn.Module] = []
    for name, child in body.named_children():
        if name == head and rest:
            return frozen + list(child.children())[: int(rest[0]) + 1]
        frozen.append(child)
        if name in (last, last.replace(".", "_")):
            break
    return frozen
