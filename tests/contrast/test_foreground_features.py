from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.contrast.embedding import embed_set
from pipeline.contrast.encoder import build_encoder
from pipeline.contrast.foreground_features import foreground_features, pixel_weights
from pipeline.embedding_store import EmbeddingStore, write_embeddings
from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet
from pipeline.networks.backbone import load_backbone
from pipeline.params import Encoder as EncoderSettings
from pipeline.scratch import Scratch
from tests.profiles import SAMPLE, changed

CPU = torch.device("cpu")


@pytest.mark.parametrize("weight, tolerance", [("uniform", 1e-5), ("probability", 1e-3), ("logit", 5e-3)])
def test_the_starting_weights_as_a_baseline_have_the_vectors_that_embed_gives_them(
    disc_images: Path, start: Path, encoder_settings: EncoderSettings, tmp_path: Path, weight: str, tolerance: float
):
    torch.manual_seed(0)
    paper = SAMPLE.embed.paper.model_dump() | {"threshold": 0.5, "weight": weight}
    cells = SAMPLE.embed.cells.model_dump() | {"grid": 3}
    settings = changed(SAMPLE.embed, size=48, batch=5, paper=paper, cells=cells)
    images, encoder = ImageSet(disc_images), build_encoder(start, encoder_settings).eval()
    with torch.no_grad():  # new weights say 0.5 everywhere; like this some pixels are salient and some are not
        _, logits = encoder(images.squared(0, 48)[None])
        encoder.saliency_head.weight *= 2 / logits.std()
    (tmp_path / "scratch").mkdir()
    scratch = Scratch(tmp_path / "scratch")
    embed_set(images, encoder, load_backbone(start, 8), settings, CPU, tmp_path / "e.h5", scratch)
    stored = EmbeddingStore(tmp_path / "e.h5")
    assert 0.05 < np.mean([stored.foreground(i) for i in range(12)]) < 0.95
    pooled, kept = foreground_features(load_backbone(start, 8), images, stored, ["train"], "val", CPU)
    np.testing.assert_allclose(pooled, stored.embeddings("start"), atol=tolerance)
    np.testing.assert_allclose(kept, stored.cells("start", images.split("val")), rtol=2e-3, atol=1e-3)


def test_images_of_no_split_asked_for_stay_zero(disc_images: Path, start: Path, tmp_path: Path):
    images = ImageSet(disc_images)
    pooling = {"weight": "uniform", "normalize_pixels": True}
    made = {"size": 32, "pooling": pooling, "cells": {"grid": 2}}
    saliency = np.full((12, 32, 32), 255, dtype=np.uint8)
    write_embeddings(tmp_path / "e.h5", images.ids, saliency, {}, 32, made | {"threshold": 0.5})
    pooled, cells = foreground_features(
        load_backbone(start, 8), images, EmbeddingStore(tmp_path / "e.h5"), [], "val", CPU
    )
    assert pooled.any(axis=1).tolist() == [False] * 8 + [True] * 4
    assert cells.shape[:3] == (4, 2, 2)


def test_weights_are_those_of_the_stored_saliency_inside_the_foreground():
    saliency = torch.tensor([[[0, 128], [204, 255]]], dtype=torch.uint8)
    assert pixel_weights(saliency, "uniform", 0.5).tolist() == [[[0, 0], [1, 1]]]
    torch.testing.assert_close(pixel_weights(saliency, "probability", 0.5), torch.tensor([[[0, 0], [0.8, 1]]]))
    logits = torch.tensor([[[0, 0], [np.log(4), np.log(509)]]], dtype=torch.float32)
    torch.testing.assert_close(pixel_weights(saliency, "logit", 0.5), logits)


def test_embeddings_of_other_images_are_refused(disc_images: Path, start: Path, tmp_path: Path):
    write_embeddings(tmp_path / "e.h5", ["other"], np.zeros((1, 4, 4), np.uint8), {}, 4, {"threshold": 0.5})
    with pytest.raises(InputError, match="differ at image img_00"):
        foreground_features(
            load_backbone(start, 8), ImageSet(disc_images), EmbeddingStore(tmp_path / "e.h5"), [], "val", CPU
        )
