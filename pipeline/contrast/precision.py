"""How encoders compute while they learn: on a CPU in single precision, on a GPU in bfloat16, compiled.

Weights, their moving average, losses and gradients of weights stay in single precision everywhere: a momentum of 0.999
moves a key by less than bfloat16 can tell.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.contrast.encoder import Encoder

NARROW = 16


def prepare(network: nn.Module, device: torch.device) -> None:
    """Lay out the weights of a network as the device likes them best, and on a GPU have it compiled at its first call.

    Values and names in its state dict stay as they are.
    """
    on_gpu = device.type == "cuda"
    if on_gpu or not any(map(_overruns, network.modules())):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if on_gpu:
        network.compile()


def encode(
    encoder: Encoder, images: Float[Tensor, "b 3 h w"]
) -> tuple[Float[Tensor, "b d h8 w8"], Float[Tensor, "b 1 h8 w8"]]:
    """What the encoder returns, in the precision of the images, however the device computes it best."""
    with _fast_precision(images.device):
        embeddings, saliency = encoder(images)
    return embeddings.to(images.dtype), saliency.to(images.dtype)


def _fast_precision(device: torch.device) -> torch.autocast:
    # Not on CPUs, where convolutions in bfloat16 are slower, nor on GPUs that only emulate it.
    enabled = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def _overruns(module: nn.Module) -> bool:
    """Whether the gradient of this layer in channels-last order may write beyond its memory on a CPU.

    oneDNN does so for strided 1x1 convolutions of fewer input channels than a vector register holds.
    """
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.stride != (1, 1)
        and module.in_channels // module.groups < NARROW
    )
