"""One vector for the salient object of every image: the mask embedding, and the same pooling of starting features."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.contrast.encoder import Encoder
from pipeline.contrast.prototypes import pool_pixels
from pipeline.embedding_store import cutoff, write_embeddings
from pipeline.images.datasets import ImageSet, square_batches
from pipeline.networks.backbone import Backbone
from pipeline.networks.upsampling import upsample
from pipeline.params import Embed
from pipeline.progress import track


def embed_set(
    images: ImageSet, encoder: Encoder, start: Backbone, settings: Embed, split: str, device: torch.device, out: Path
) -> int:
    """Write predicted saliency and both embedding tables of all images, and the cells of `split`, to `out`.

    Returns how many images have no object.
    """
    encoder, start = encoder.to(device).eval(), start.to(device).eval()
    width = {"embedding": encoder.settings.embedding_dim, "decoder": encoder.settings.decoder_channels}
    widths = {"maskcontrast": width[settings.features], "start": start.channels[-1]}
    tables = {name: np.zeros((len(images), width), dtype=np.float32) for name, width in widths.items()}
    row_of = {int(i): row for row, i in enumerate(images.split(split))}
    cells = np.zeros((len(row_of), settings.cells, settings.cells, widths["start"]), dtype=np.float16)

    def saliency() -> Iterator[UInt8[np.ndarray, "s s"]]:
        batches = square_batches(images, range(len(images)), settings.size, settings.batch)
        for chosen, batch in track(batches, "embed", total=-(-len(images) // settings.batch), unit="batch"):
            probabilities, embeddings, features = embed_batch(batch.to(device), encoder, start, settings)
            for name, vectors in embeddings.items():
                tables[name][chosen] = vectors.cpu().numpy()
            for i, found in zip(chosen, features.cpu().numpy(), strict=True):
                if i in row_of:
                    cells[row_of[i]] = found
            yield from probabilities.cpu().numpy()

    # The tables are complete when the writer has consumed all saliency maps; it writes them after those.
    metadata = {"split": split, **settings.model_dump()}
    write_embeddings(out, images.ids, saliency(), tables, settings.size, metadata, {"start": cells})
    return int((~tables["maskcontrast"].any(axis=1)).sum())


@torch.inference_mode()
def embed_batch(
    images: Float[Tensor, "b 3 s s"], encoder: Encoder, start: Backbone, settings: Embed
) -> tuple[UInt8[Tensor, "b s s"], dict[str, Float[Tensor, "b _"]], Float[Tensor, "b g g d"]]:
    """Saliency (probability times 255) of images in [0, 1], their embeddings, and the starting features in cells.

    Embeddings have unit norm, or are zero without an object. `maskcontrast` pools the pixel embeddings, or the
    decoder's features which they are made from, and `start` the last features of the starting backbone, over the same
    pixels with the same weights. The paper takes the mean of unit embeddings (`uniform`, `normalize_pixels`); its code
    weighs raw ones by the saliency logit.
    """
    decoded = encoder.deeplab(images)
    embeddings, logits = encoder.heads(decoded)
    logits = upsample(logits, (images.shape[2], images.shape[3]))[:, 0]
    saliency = (255 * logits.sigmoid()).round().to(torch.uint8)
    weights = {"uniform": torch.ones_like(logits), "probability": logits.sigmoid(), "logit": logits}[settings.weight]
    # The foreground is decided on the rounded map, so that whoever reads the file finds the same one.
    weights = weights * (saliency > cutoff(settings.threshold))
    maps = {"maskcontrast": decoded if settings.features == "decoder" else embeddings, "start": start(images)[-1]}
    pooled = {name: pool_pixels(features, weights, settings.normalize_pixels) for name, features in maps.items()}
    cells = F.adaptive_avg_pool2d(maps["start"], settings.cells)
    return saliency, pooled, cells.permute(0, 2, 3, 1)
