"""Maps of indices at another size: labels, regions, foregrounds."""

import numpy as np
from jaxtyping import Bool, Integer
from PIL import Image

Indices = Bool[np.ndarray, "_ _"] | Integer[np.ndarray, "_ _"]


def nearest(indices: Indices, size: tuple[int, ...]) -> Indices:
    """The map at another `size` (height, width): every pixel takes the index found at its centre."""
    height, width = size
    return np.array(Image.fromarray(indices).resize((width, height), Image.Resampling.NEAREST))
