from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pipeline.contrast.embedding import embed_batch, embed_set
from pipeline.contrast.encoder import Encoder, build_encoder
from pipeline.embedding_store import EmbeddingStore
from pipeline.images.datasets import ImageSet
from pipeline.networks.backbone import Backbone, load_backbone
from pipeline.networks.upsampling import upsample
from pipeline.params import Embed, Encoder as EncoderSettings
from tests.profiles import SAMPLE, changed


def embed_settings(**changes: object) -> Embed:
    return changed(SAMPLE.embed, **{"size": 48, "batch": 5, "threshold": 0.5, "cells": 3} | changes)


@pytest.fixture
def networks(start: Path, encoder_settings: EncoderSettings) -> tuple[Encoder, Backbone]:
    torch.manual_seed(0)
    return build_encoder(start, encoder_settings).eval(), load_backbone(start, 8).eval()


@pytest.mark.parametrize("weight", ["uniform", "probability", "logit"])
def test_embedding_is_the_weighted_mean_of_the_unit_pixels_of_the_object(
    networks: tuple[Encoder, Backbone], weight: str
):
    encoder, start = networks
    images = torch.rand(3, 3, 48, 48)
    saliency, embeddings, _ = embed_batch(images, encoder, start, embed_settings(weight=weight))
    with torch.no_grad():
        maps, logits = (upsample(part, (48, 48)) for part in encoder(images))
        features = upsample(start(images)[-1], (48, 48))
    weights = {"uniform": torch.ones_like(logits), "probability": logits.sigmoid(), "logit": logits}[weight]
    weights = weights * (saliency > 128)[:, None]
    assert (saliency.float() / 255 - logits[:, 0].sigmoid()).abs().max() <= 0.5 / 255 + 1e-6
    for name, full in (("maskcontrast", maps), ("start", features)):
        expected = F.normalize((weights * F.normalize(full, dim=1)).sum((2, 3)), dim=1)
        torch.testing.assert_close(embeddings[name], expected, atol=1e-5, rtol=0)


def test_the_features_below_the_embeddings_may_be_pooled_instead(networks: tuple[Encoder, Backbone]):
    encoder, start = networks
    images = torch.rand(3, 3, 48, 48)
    saliency, embeddings, _ = embed_batch(images, encoder, start, embed_settings(features="decoder"))
    with torch.no_grad():
        decoded = F.normalize(upsample(encoder.deeplab(images), (48, 48)), dim=1)
    expected = F.normalize((decoded * (saliency > 128)[:, None]).sum((2, 3)), dim=1)
    torch.testing.assert_close(embeddings["maskcontrast"], expected, atol=1e-5, rtol=0)


def test_a_table_is_as_wide_as_what_is_pooled(disc_images: Path, networks: tuple[Encoder, Backbone], tmp_path: Path):
    out, settings = tmp_path / "embeddings.h5", embed_settings(features="decoder")
    embed_set(ImageSet(disc_images), *networks, settings, "val", torch.device("cpu"), out)
    assert EmbeddingStore(out).embeddings("maskcontrast").shape == (12, networks[0].settings.decoder_channels)


def test_stored_rows_follow_the_ids_and_the_stored_foreground(
    disc_images: Path, networks: tuple[Encoder, Backbone], tmp_path: Path
):
    images, settings, out = ImageSet(disc_images), embed_settings(), tmp_path / "embeddings.h5"
    empty = embed_set(images, *networks, settings, "val", torch.device("cpu"), out)
    store = EmbeddingStore(out)
    assert store.ids == images.ids
    assert store.names == ["maskcontrast", "start"]
    # Of a single image, in another batch than before.
    saliency, expected, _ = embed_batch(images.squared(7, 48)[None], *networks, settings)
    np.testing.assert_allclose(store.embeddings("maskcontrast")[7], expected["maskcontrast"][0], atol=1e-4)
    assert (store.foreground(7) != (saliency[0] > 128).numpy()).mean() < 0.01
    assert store.cells("start").shape == (4, 3, 3, networks[1].channels[-1])
    # Image 11 is the fourth of split val; its 6 x 6 features are averaged two by two.
    with torch.no_grad():
        features = networks[1](images.squared(11, 48)[None])[-1][0]
    expected_cells = features.unflatten(1, (3, 2)).unflatten(3, (3, 2)).mean((2, 4)).permute(1, 2, 0)
    np.testing.assert_allclose(store.cells("start")[3], expected_cells, rtol=2e-3, atol=2e-3)
    norms = np.linalg.norm(store.embeddings("maskcontrast"), axis=1)
    objects = np.array([store.foreground(i).any() for i in range(len(store))])
    np.testing.assert_allclose(norms, objects, atol=1e-5)
    assert empty == (~objects).sum()


def test_image_without_salient_pixels_has_zero_embeddings(
    disc_images: Path, networks: tuple[Encoder, Backbone], tmp_path: Path
):
    out = tmp_path / "embeddings.h5"
    nothing = embed_settings(threshold=1.0)
    assert embed_set(ImageSet(disc_images), *networks, nothing, "val", torch.device("cpu"), out) == 12
    store = EmbeddingStore(out)
    assert not store.embeddings("maskcontrast").any()
    assert not store.embeddings("start").any()
    assert store.metadata["threshold"] == 1.0


def test_second_run_writes_the_same_bytes(disc_images: Path, networks: tuple[Encoder, Backbone], tmp_path: Path):
    for name in ("a.h5", "b.h5"):
        embed_set(ImageSet(disc_images), *networks, embed_settings(), "val", torch.device("cpu"), tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
