"""The colours of `photometry` on a CPU: loops compiled by numba, in place, an image at a time.

PyTorch goes over the pixels once for every arithmetic operation, thirty times to turn a hue; a compiled loop goes once.
"""

from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from numba import njit
from torch import Tensor

from pipeline.images import photometry
from pipeline.images.colours import OPERATIONS, Colours

Pixels = Float32[np.ndarray, "3 n"]

# Numba computes in double precision wherever a constant is a Python number, and compiles no function that checks types.
F = np.float32
ZERO, ONE, TWO, THREE, FOUR, SIX, TINY = F(0), F(1), F(2), F(3), F(4), F(6), F(1e-12)
RED, GREEN, BLUE = LUMA = np.array([0.299, 0.587, 0.114], dtype=F)


def coloured(images: UInt8[Tensor, "b 3 h w"], colours: Colours) -> Float32[Tensor, "b 3 h w"]:
    """The views in [0, 1], on the CPU, where `images` must be."""
    # Of NumPy, for it asks for huge pages: what small ones cost at their first touch is a fourth of all.
    result = torch.from_numpy(np.empty(images.shape, dtype=F))
    for image, target, operations, amounts in zip(images, result, *colours, strict=True):
        torch.div(image, 255, out=target)
        for operation, amount in zip(operations.tolist(), amounts.numpy(), strict=True):
            if OPERATIONS[operation] == "blur":
                photometry.blur(target[None], torch.from_numpy(amount[None]))
            elif OPERATIONS[operation] != "none":
                ADJUST[OPERATIONS[operation]](target.view(3, -1).numpy(), amount)
    return result


def _brighten(pixels: Pixels, factor: np.float32) -> None:
    _scale(pixels, factor, ZERO)


def _contrast(pixels: Pixels, factor: np.float32) -> None:
    means = torch.from_numpy(pixels).mean(dim=1).numpy()
    _scale(pixels, factor, (ONE - factor) * (means @ LUMA))


@njit(cache=True)
@no_type_check
def _clamped(value):
    return min(max(value, ZERO), ONE)


@njit(cache=True)
@no_type_check
def _scale(pixels, factor, offset):
    flat = pixels.ravel()
    for i in range(flat.size):
        flat[i] = _clamped(flat[i] * factor + offset)


@njit(cache=True)
@no_type_check
def _saturate(pixels, factor):
    red, green, blue = pixels[0], pixels[1], pixels[2]
    for i in range(red.size):
        grey = (ONE - factor) * (RED * red[i] + GREEN * green[i] + BLUE * blue[i])
        red[i] = _clamped(grey + factor * red[i])
        green[i] = _clamped(grey + factor * green[i])
        blue[i] = _clamped(grey + factor * blue[i])


@njit(cache=True, error_model="numpy")
@no_type_check
def _turn_hue(pixels, turn):
    """As `photometry`, which explains it."""
    red, green, blue = pixels[0], pixels[1], pixels[2]
    for i in range(red.size):
        least = min(red[i], green[i], blue[i])
        spread = max(red[i], green[i], blue[i]) - least
        off_cyan = (red[i] - green[i] - blue[i] + least) / (spread + TINY) + TWO
        hue = (off_cyan if blue[i] >= green[i] else -off_cyan) + THREE + SIX * turn
        hue += SIX if hue < ZERO else ZERO
        hue -= SIX if hue >= SIX else ZERO
        red[i] = least + spread * _clamped(abs(hue - THREE) - ONE)
        green[i] = least + spread * _clamped(TWO - abs(hue - TWO))
        blue[i] = least + spread * _clamped(TWO - abs(hue - FOUR))


ADJUST = {"brightness": _brighten, "contrast": _contrast, "saturation": _saturate, "hue": _turn_hue}
