"""The rows of the figure of saliency maps: a few images with what each step made of them."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from pipeline.images.codecs import decode_image, decode_labels
from pipeline.packed import Packed
from pipeline.report.figures import MapRow


def map_rows(
    images: Packed, truth: Packed, sources: Mapping[str, Callable[[str], Float[np.ndarray, "h w"]]], count: int
) -> list[MapRow]:
    """Evenly spaced ones of the images that have ground truth, with the maps of all sources (image id to map)."""
    rows = []
    for i in np.linspace(0, len(truth) - 1, min(count, len(truth))).astype(int).tolist():
        image_id = truth.ids[i]
        image = decode_image(images[images.index(image_id)])
        maps = {name: source(image_id) for name, source in sources.items()}
        rows.append(MapRow(image_id, image, maps, decode_labels(truth[i])))
    return rows
