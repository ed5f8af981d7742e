"""One vector for the salient object of every image: the mask embedding, and the same pooling of starting features."""

from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.contrast.cells import cell_features, cell_shapes, chosen_images, require_budget
from pipeline.contrast.encoder import Encoder
from pipeline.contrast.foreground import foreground_weights
from pipeline.contrast.prototypes import pool_pixels
from pipeline.derived_params import chosen_pooling, threshold_probability
from pipeline.embedding_store import join_embeddings, write_embeddings
from pipeline.images.datasets import ImageSet
from pipeline.launch import rank
from pipeline.networks.backbone import Backbone
from pipeline.params import Embed
from pipeline.parts import compute_parts
from pipeline.scratch import Scratch


class EmbeddedBatch(NamedTuple):
    """What the networks say of a batch; `maps` are the features that `embeddings` were pooled from."""

    saliency: UInt8[Tensor, "b s s"]
    embeddings: dict[str, Float[Tensor, "b _"]]
    maps: dict[str, Float[Tensor, "b _ _ _"]]


def embed_set(
    images: ImageSet,
    encoder: Encoder,
    start: Backbone,
    settings: Embed,
    device: torch.device,
    out: Path,
    scratch: Scratch,
) -> None:
    """Write predicted saliency, both embedding tables and the cells that are asked for to `out`.

    Processes share the batches; the first writes `out`. Raises InputError before any work when the cells would take
    more than their budget, or when a split of theirs is unknown.
    """
    with_cells = chosen_images(images, settings.cells.splits)
    require_budget(len(with_cells), cell_shapes(encoder, start, _widths(encoder, start, settings), settings), settings)
    encoder, start = encoder.to(device).eval(), start.to(device).eval()
    members = set(with_cells.tolist())

    def write(part: Path, chosen: range) -> None:
        pixels = torch.stack([images.squared(i, settings.size) for i in chosen]).to(device)
        found = embed_batch(pixels, encoder, start, settings)
        rows = [row for row, i in enumerate(chosen) if i in members]
        write_embeddings(
            part,
            [images.ids[i] for i in chosen],
            found.saliency.cpu().numpy(),
            {name: table.cpu().numpy() for name, table in found.embeddings.items()},
            settings.size,
            {},
            {name: cell_features(found.maps[name][rows], settings.cells.grid) for name in settings.cells.networks},
            rows,
        )

    parts = compute_parts("embed", len(images), settings.batch, write, scratch)
    if rank() == 0:
        join_embeddings(out, parts, _provenance(settings))


@torch.inference_mode()
def embed_batch(images: Float[Tensor, "b 3 s s"], encoder: Encoder, start: Backbone, settings: Embed) -> EmbeddedBatch:
    """Saliency (probability times 255) of images in [0, 1], their embeddings, and the features below these.

    Embeddings have unit norm, or are zero without an object. `maskcontrast` pools the pixel embeddings, or the
    decoder's features which they are made from, and `start` the last features of the starting backbone, over the same
    pixels with the same weights. The paper takes the mean of unit embeddings (`uniform`, `normalize_pixels`); its code
    weighs raw ones by the saliency logit. Salient is a pixel whose stored value exceeds `cutoff` of the threshold's
    probability, of which 1/255 is one step: a probability that exceeds the threshold by less than that may not count.
    """
    pooling = chosen_pooling(settings)
    decoded = encoder.deeplab(images)
    embeddings, logits = encoder.heads(decoded)
    saliency, weights = foreground_weights(logits, (images.shape[2], images.shape[3]), pooling)
    maps = {"maskcontrast": decoded if settings.features == "decoder" else embeddings, "start": start(images)[-1]}
    pooled = {name: pool_pixels(features, weights, pooling.normalize_pixels) for name, features in maps.items()}
    return EmbeddedBatch(saliency, pooled, maps)


def _widths(encoder: Encoder, start: Backbone, settings: Embed) -> dict[str, int]:
    of_encoder = {"embedding": encoder.settings.embedding_dim, "decoder": encoder.settings.decoder_channels}
    return {"maskcontrast": of_encoder[settings.features], "start": start.channels[-1]}


def _provenance(settings: Embed) -> dict[str, object]:
    """The metadata; of the presets the one that counted."""
    pooling = chosen_pooling(settings)
    used = {"preset": settings.pooling, **pooling.model_dump()}
    cells = settings.cells.model_dump(exclude={"budget_mib"})
    common = settings.model_dump(include={"size", "features"})
    return {**common, "cells": cells, "pooling": used, "threshold": threshold_probability(pooling)}
