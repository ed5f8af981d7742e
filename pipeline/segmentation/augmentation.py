"""Random views of labelled images: flip, rotation and scale, as the linear classifier of the paper's code is taught."""

import math
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.metrics.confusion import IGNORED
from pipeline.seeding import generator
from pipeline.segmentation.label_batches import LabelledSquares, square_pair

ANGLE, SCALES = 5.0, (0.75, 1.25)
# The colour that normalisation takes to zero for networks trained on ImageNet.
MEAN_COLOUR = (124, 116, 104)
BLACK, BACKGROUND = (0, 0, 0), 0

Draw = tuple[int, int, int]
Outside = Literal["ignored", "background"]
FILLS = {"ignored": (MEAN_COLOUR, IGNORED), "background": (BLACK, BACKGROUND)}


def augment(
    image: UInt8[np.ndarray, "h w 3"],
    labels: UInt8[np.ndarray, "h w"],
    rng: np.random.Generator,
    outside: Outside = "ignored",
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"]]:
    """Flip (p = 0.5), rotate (up to 5 degrees) and scale (0.75 to 1.25) both about their centre, in one warp.

    The image is interpolated, the labels are not. What comes from outside the image is of the mean colour and ignored
    by the loss; in the official code (`background`) it is black and labelled background, which at scale 0.75 is 44 %
    of the pixels.
    """
    if rng.random() < 0.5:
        image, labels = image[:, ::-1], labels[:, ::-1]
    angle, scale = math.radians(rng.uniform(-ANGLE, ANGLE)), rng.uniform(*SCALES)
    colour, label = FILLS[outside]
    return (
        about_centre(image, angle, scale, Image.Resampling.BILINEAR, colour),
        about_centre(labels, angle, scale, Image.Resampling.NEAREST, label),
    )


def about_centre(
    pixels: UInt8[np.ndarray, "h w *c"],
    angle: float,
    scale: float,
    resampling: Image.Resampling,
    fill: int | tuple[int, int, int],
) -> UInt8[np.ndarray, "h w *c"]:
    """Pixels rotated counter-clockwise by `angle` (radians) and enlarged by `scale`, the rest `fill`ed."""
    y, x = pixels.shape[0] / 2, pixels.shape[1] / 2
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    # Pillow wants the map from the result's coordinates to the source's.
    coefficients = (cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y)
    source = Image.fromarray(np.ascontiguousarray(pixels))
    return np.array(source.transform(source.size, Image.Transform.AFFINE, coefficients, resampling, fillcolor=fill))


class AugmentedSquares(Dataset):
    """Random views of labelled images: item (time, place, j) is image j as seen at that time and place in training."""

    def __init__(self, squares: LabelledSquares, seed: int, outside: Outside = "ignored") -> None:
        self.squares, self.seed = squares, seed
        self.outside: Outside = outside

    def __getitem__(self, draw: Draw) -> tuple[Float32[Tensor, "3 s s"], UInt8[Tensor, "s s"]]:
        time, place, j = draw
        rng = generator(self.seed, "augmentation", time, place)
        return square_pair(*augment(*self.squares.original(j), rng, self.outside), self.squares.size)
