"""Two-label dense CRF (Krähenbühl and Koltun, NeurIPS 2011), which moves the borders of saliency to those of colour."""

from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.params import Crf
from pipeline.pseudolabels.grid_crf import sharpen_on_grid
from pipeline.pseudolabels.lattice_crf import sharpen_on_lattice
from pipeline.scratch import IN_MEMORY, Scratch


def sharpen(
    images: UInt8[Tensor, "n 3 h w"], saliency: Float[Tensor, "n h w"], settings: Crf, scratch: Scratch = IN_MEMORY
) -> Float[Tensor, "n h w"]:
    """Saliency in [0, 1] after the CRF on the RGB images (0..255), solved by the backend of the settings.

    Raises InputError when this backend is not installed.
    """
    backends = {"grid": sharpen_on_grid, "pydensecrf": sharpen_on_lattice}
    return backends[settings.backend](images, saliency, settings, scratch)
