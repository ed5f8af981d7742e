"""Photographs made up for tests, a model that has learned on them, and readers of what is predicted."""

import csv
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline import params
from pipeline.cluster_names import named
from pipeline.cluster_store import write_clusters
from pipeline.contrast.embedding import embed_set
from pipeline.contrast.encoder import Encoder, build_encoder
from pipeline.contrast.predictor import bundle, save_predictor
from pipeline.embedding_store import EmbeddingStore
from pipeline.images.datasets import ImageSet
from pipeline.images.folder import read
from pipeline.images.packing import pack
from pipeline.networks.backbone import load_backbone, save_backbone
from pipeline.networks.starting_weights import starting_backbone
from pipeline.scratch import Scratch
from pipeline.segmentation.kmeans import cluster_embeddings
from tests.profiles import SAMPLE, changed

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")
SIZE, CLUSTERS = 48, 4
NO_CELLS = SAMPLE.embed.cells.model_dump() | {"networks": [], "splits": []}
HALF = SAMPLE.embed.paper.model_dump() | {"threshold": 0.5}
EMBED = changed(SAMPLE.embed, size=SIZE, batch=5, pooling="paper", cells=NO_CELLS, paper=HALF)
CHOSEN = params.BundlePredictor(clusters=CLUSTERS, seed=1, protocol="a", names="results/match_clusters")


def photographs(folder: Path) -> Path:
    """Discs of several colours and sizes, one or two an image, in two formats and a folder within the folder."""
    rng = np.random.default_rng(0)
    for i in range(12):
        height, width = 40 + 3 * i, 70 - 2 * i
        rows, columns = np.mgrid[:height, :width]
        pixels = np.full((height, width, 3), (40, 50, 70)) + rng.integers(0, 20, (height, width, 3))
        for centre in (14, 50)[: 1 + i % 2]:
            pixels[(rows - 20) ** 2 + (columns - centre) ** 2 < 60 + 8 * i] = np.eye(3)[i % 3] * 200
        path = folder / ("street" if i % 3 == 0 else "") / f"{i:02d}.{'png' if i % 2 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return folder


def knowing_encoder(start: Path, images: ImageSet) -> Encoder:
    """Batch norms know the images: in new ones features fade to nothing by layers."""
    torch.manual_seed(0)
    encoder = build_encoder(start, changed(SAMPLE.pretrain.encoder, atrous_rates=[2, 3], decoder_channels=32))
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        encoder.train()(torch.stack([images.squared(i, SIZE) for i in range(len(images))]))
    return encoder.eval()


def learn(folder: Path) -> Path:
    """Fill a folder with photographs, what `embed` and `cluster` find in them, and `predictor.pt`; returns it."""
    pack(read(photographs(folder / "photos")), folder / "images.h5", folder / "labels.h5", "stop")
    images = ImageSet(folder / "images.h5")
    save_backbone(folder / "start.pt", starting_backbone("lcnet_050", "random", "", 0))
    encoder = knowing_encoder(folder / "start.pt", images)
    encoder.save(folder / "encoder.pt")
    start, scratch = load_backbone(folder / "start.pt", 8), Scratch(folder / "scratch")
    embed_set(images, encoder, start, EMBED, CPU, folder / "embeddings.h5", scratch)
    options = changed(SAMPLE.cluster, clusters=[CLUSTERS], seeds=[0, 1], components=8, whiten=True)
    table = EmbeddingStore(folder / "embeddings.h5").embeddings("maskcontrast")
    clusterings = {"maskcontrast": cluster_embeddings("maskcontrast", table, options)}
    write_clusters(folder / "clusters.h5", images.ids, clusterings, {"split": "all"})
    naming = named({1: "cat", 2: "dog"}, CLUSTERS)
    parts = folder / "encoder.pt", folder / "embeddings.h5", folder / "clusters.h5"
    save_predictor(folder / "predictor.pt", bundle(*parts, CHOSEN, naming))
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))
