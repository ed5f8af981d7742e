from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pipeline.contrast.embedding import embed_batch, embed_set
from pipeline.contrast.encoder import Encoder, build_encoder
from pipeline.embedding_store import EmbeddingStore
from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet
from pipeline.networks.backbone import Backbone, load_backbone
from pipeline.networks.upsampling import upsample
from pipeline.params import Embed, Encoder as EncoderSettings
from pipeline.scratch import Scratch
from tests.profiles import SAMPLE, changed

CELLS: dict[str, Any] = {"networks": ["start"], "splits": ["val"], "grid": 3, "budget_mib": 1}


def embed_settings(pool: dict[str, Any] | None = None, cells: dict[str, Any] | None = None, **changes: Any) -> Embed:
    """Of the sample but for a threshold of a half and 3 x 3 cells of the start, with changes to what counts."""
    preset = changes.get("pooling", "paper")
    pooling = changed(getattr(SAMPLE.embed, preset), **{"threshold": 0.5} | (pool or {})).model_dump()
    few = {"size": 48, "batch": 5, "cells": CELLS | (cells or {}), preset: pooling}
    return changed(SAMPLE.embed, **few | changes)


def stored(images: Path, networks: tuple[Encoder, Backbone], settings: Embed, folder: Path) -> EmbeddingStore:
    """What `embed_set` writes into a new folder."""
    scratch, out = Scratch(folder / "area"), folder / "embeddings.h5"
    embed_set(ImageSet(images), *networks, settings, torch.device("cpu"), out, scratch)
    return EmbeddingStore(out)


@pytest.fixture
def pixels(disc_images: Path) -> torch.Tensor:
    """The 12 images as squares."""
    return torch.stack([ImageSet(disc_images).squared(i, 48) for i in range(12)])


@pytest.fixture
def networks(pixels: torch.Tensor, start: Path, encoder_settings: EncoderSettings) -> tuple[Encoder, Backbone]:
    """An encoder and a start whose batch norms know the images: in new ones features fade to nothing by layers."""
    torch.manual_seed(0)
    built = build_encoder(start, encoder_settings), load_backbone(start, 8)
    for network in built:
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        with torch.no_grad():
            network.train()(pixels)
        network.eval()
    return built


@pytest.mark.parametrize("weight", ["uniform", "probability", "logit"])
def test_embedding_is_the_weighted_mean_of_the_unit_pixels_of_the_object(
    networks: tuple[Encoder, Backbone], pixels: torch.Tensor, weight: str
):
    (encoder, start), images = networks, pixels[8:11]
    saliency, embeddings, _ = embed_batch(images, encoder, start, embed_settings({"weight": weight}))
    with torch.no_grad():
        maps, logits = (upsample(part, (48, 48)) for part in encoder(images))
        features = upsample(start(images)[-1], (48, 48))
    weights = {"uniform": torch.ones_like(logits), "probability": logits.sigmoid(), "logit": logits}[weight]
    weights = weights * (saliency > 128)[:, None]
    assert 0.05 < (saliency > 128).float().mean() < 0.95
    assert (saliency.float() / 255 - logits[:, 0].sigmoid()).abs().max() <= 0.5 / 255 + 1e-6
    for name, full in (("maskcontrast", maps), ("start", features)):
        expected = F.normalize((weights * F.normalize(full, dim=1)).sum((2, 3)), dim=1)
        torch.testing.assert_close(embeddings[name], expected, atol=1e-5, rtol=0)


def test_the_features_below_the_embeddings_may_be_pooled_instead(
    networks: tuple[Encoder, Backbone], pixels: torch.Tensor
):
    (encoder, start), images = networks, pixels[8:11]
    saliency, embeddings, _ = embed_batch(images, encoder, start, embed_settings(features="decoder"))
    with torch.no_grad():
        decoded = F.normalize(upsample(encoder.deeplab(images), (48, 48)), dim=1)
    expected = F.normalize((decoded * (saliency > 128)[:, None]).sum((2, 3)), dim=1)
    torch.testing.assert_close(embeddings["maskcontrast"], expected, atol=1e-5, rtol=0)


def test_a_table_is_as_wide_as_what_is_pooled(disc_images: Path, networks: tuple[Encoder, Backbone], tmp_path: Path):
    store = stored(disc_images, networks, embed_settings(features="decoder"), tmp_path)
    assert store.embeddings("maskcontrast").shape == (12, networks[0].settings.decoder_channels)


def test_stored_rows_follow_the_ids_and_the_stored_foreground(
    disc_images: Path, networks: tuple[Encoder, Backbone], tmp_path: Path
):
    images, settings = ImageSet(disc_images), embed_settings()
    store = stored(disc_images, networks, settings, tmp_path)
    assert store.ids == images.ids
    assert store.names == ["maskcontrast", "start"]
    # Of a single image, in another batch than before.
    saliency, expected, _ = embed_batch(images.squared(7, 48)[None], *networks, settings)
    np.testing.assert_allclose(store.embeddings("maskcontrast")[7], expected["maskcontrast"][0], atol=1e-4)
    assert (store.foreground(7) != (saliency[0] > 128).numpy()).mean() < 0.01
    norms = np.linalg.norm(store.embeddings("maskcontrast"), axis=1)
    objects = np.array([store.foreground(i).any() for i in range(len(store))])
    np.testing.assert_allclose(norms, objects, atol=1e-5)


def test_cells_average_the_starting_features(disc_images: Path, networks: tuple[Encoder, Backbone], tmp_path: Path):
    store = stored(disc_images, networks, embed_settings(), tmp_path)
    cells = store.cells("start", np.arange(8, 12))
    assert (store.cell_names, cells.shape) == (["start"], (4, 3, 3, networks[1].channels[-1]))
    # Image 11 is the fourth of split val; its 6 x 6 features are averaged two by two.
    with torch.no_grad():
        features = networks[1](ImageSet(disc_images).squared(11, 48)[None])[-1][0]
    expected_cells = features.unflatten(1, (3, 2)).unflatten(3, (3, 2)).mean((2, 4)).permute(1, 2, 0)
    np.testing.assert_allclose(cells[3], expected_cells, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("features", ["embedding", "decoder"])
def test_the_whole_map_of_both_networks_is_kept_for_both_splits(
    features: str, disc_images: Path, networks: tuple[Encoder, Backbone], tmp_path: Path
):
    chosen = {"networks": ["start", "maskcontrast"], "splits": ["val", "train"], "grid": 0, "budget_mib": 2}
    settings = embed_settings(cells=chosen, features=features)
    store = stored(disc_images, networks, settings, tmp_path)
    maps = embed_batch(ImageSet(disc_images).squared(6, 48)[None], *networks, settings).maps
    for name in ("start", "maskcontrast"):
        found = store.cells(name, np.arange(12))
        assert found.shape == (12, 6, 6, maps[name].shape[1])
        np.testing.assert_allclose(found[6], maps[name][0].permute(1, 2, 0), rtol=2e-3, atol=2e-3)


def test_cells_over_their_budget_are_refused_before_any_work(
    disc_images: Path, networks: tuple[Encoder, Backbone], tmp_path: Path
):
    settings = embed_settings(cells={"splits": ["all"], "grid": 16})
    # 12 images of 16 x 16 cells with two bytes for each of 256 features are 1.5 MiB.
    assert networks[1].channels[-1] == 256
    with pytest.raises(InputError, match=r"takes 2 MiB for 12 images of all .*budget_mib allows 1; lower .*grid"):
        stored(disc_images, networks, settings, tmp_path)
    assert not (tmp_path / "area").exists()


def test_a_last_batch_of_one_image_is_embedded_as_any_other(
    disc_images: Path, networks: tuple[Encoder, Backbone], tmp_path: Path
):
    odd, whole = (stored(disc_images, networks, embed_settings(batch=b), tmp_path / str(b)) for b in (11, 12))
    for name in odd.names:
        np.testing.assert_allclose(odd.embeddings(name)[11], whole.embeddings(name)[11], atol=1e-4)
    assert (odd.foreground(11) != whole.foreground(11)).mean() < 0.01
    cells, expected = (store.cells("start", np.array([11])).astype(np.float32) for store in (odd, whole))
    np.testing.assert_allclose(cells, expected, atol=2e-3)


def test_images_without_salient_pixels_have_zero_embeddings_and_change_no_other(
    disc_images: Path, networks: tuple[Encoder, Backbone], tmp_path: Path
):
    store = stored(disc_images, networks, embed_settings({"threshold": 0.0}), tmp_path)
    peaks = np.array([store.dataset("saliency")[i].max() for i in range(12)])
    # Above the median peak, half of the images have nothing.
    threshold = float(np.median(peaks)) / 255
    some = stored(disc_images, networks, embed_settings({"threshold": threshold}), tmp_path / "some")
    salient = peaks > round(255 * threshold)
    assert 0 < salient.sum() < 12
    for name in some.names:
        assert np.array_equal(some.embeddings(name).any(axis=1), salient)
        np.testing.assert_allclose(np.linalg.norm(some.embeddings(name), axis=1), salient, atol=1e-5)


def test_with_nothing_salient_anywhere_all_embeddings_are_zero(
    disc_images: Path, networks: tuple[Encoder, Backbone], tmp_path: Path
):
    store = stored(disc_images, networks, embed_settings({"threshold": 1.0}), tmp_path)
    assert not store.embeddings("maskcontrast").any()
    assert not store.embeddings("start").any()
    assert store.metadata["threshold"] == 1.0


def test_a_logit_as_threshold_is_read_back_as_the_foreground_that_was_pooled(
    disc_images: Path, networks: tuple[Encoder, Backbone], pixels: torch.Tensor, tmp_path: Path
):
    settings = embed_settings({"threshold": 0.1}, pooling="official_code", batch=12)
    store = stored(disc_images, networks, settings, tmp_path)
    assert store.metadata["pooling"] == {"preset": "official_code", **settings.official_code.model_dump()}
    assert store.metadata["threshold"] == pytest.approx(0.52498, abs=1e-5)
    with torch.no_grad():
        maps, logits = (upsample(part, (48, 48)) for part in networks[0](pixels))
    foreground = torch.from_numpy(np.stack([store.foreground(i) for i in range(12)]))
    # 0.52498 is level 134 of 255, so the stored map tells pixels apart at 134.5.
    assert torch.equal(foreground, (255 * logits[:, 0].sigmoid()).round() > 134)
    assert 0.01 < foreground.float().mean() < 0.99
    assert logits[:, 0][foreground].min() > 0.1
    expected = F.normalize((maps * logits * foreground[:, None]).sum((2, 3)), dim=1)
    np.testing.assert_allclose(store.embeddings("maskcontrast"), expected, atol=1e-4)


def test_second_run_writes_the_same_bytes(disc_images: Path, networks: tuple[Encoder, Backbone], tmp_path: Path):
    first, second = (stored(disc_images, networks, embed_settings(), tmp_path / name) for name in "ab")
    assert first.path.read_bytes() == second.path.read_bytes()
