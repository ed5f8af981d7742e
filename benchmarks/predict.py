"""Predicting in batches, files read and written meanwhile, against one image at a time, in images a second.

Wall time, since reading and writing have threads of their own; without a GPU these share the cores with the network.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data

from benchmarks.measure import interleaved, published
from pipeline.cluster_names import named
from pipeline.cluster_store import Projection
from pipeline.contrast.encoder import Encoder
from pipeline.contrast.objects import find_objects
from pipeline.contrast.predictor import Predictor
from pipeline.networks.backbone import Backbone
from pipeline.params import Encoder as EncoderSettings, Pooling
from pipeline.predict import Options, predict_into, save
from pipeline.predictions.photos import Opened, Photo, open_photo
from pipeline.predictions.record import at_original_size
from pipeline.runtime import device

BACKBONE, IMAGES, HEIGHT, WIDTH, SIZE, CLUSTERS, ROUNDS = "efficientnet_lite0", 48, 375, 500, 160, 21, 3


def run() -> dict[str, object]:
    """Milliseconds an image from file to files, and images a second."""
    predictor = random_predictor().on(device())
    with photographs() as (folder, photos):
        ours, reference = interleaved(
            lambda: predict_into(folder, predictor, photos, Options()),
            lambda: one_at_a_time(folder, predictor, photos),
            ROUNDS,
            wall=True,
        )
    times = {"ours": 1000 * ours / IMAGES, "reference": 1000 * reference / IMAGES}
    return {"ratio": reference / ours, **times, "unit": "ms", "images_per_second": IMAGES / ours}


def one_at_a_time(folder: Path, predictor: Predictor, photos: Sequence[Photo]) -> None:
    """Read, predict and write each image before the next one is looked at."""
    options = Options(batch=1)
    for photo in photos:
        opened = open_photo(photo, predictor.size, options.tile_pixels)
        assert isinstance(opened, Opened)
        found = find_objects(predictor, [opened.tiles], options.rule, options.batch, device())[0]
        save(folder, at_original_size(opened, *found), predictor.naming, options)


def random_predictor() -> Predictor:
    """The network of profile `voc_subset` with random weights, and random centroids."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    settings = EncoderSettings.model_validate(published("pretrain")["encoder"])
    encoder = Encoder(Backbone(BACKBONE, settings.output_stride), settings)
    pooling = Pooling(weight="uniform", threshold_on="probability", threshold=0.5, normalize_pixels=True)
    width = settings.embedding_dim
    projection = Projection(np.zeros(width, dtype=np.float32), np.eye(width, dtype=np.float32))
    centroids = rng.normal(size=(CLUSTERS - 1, width)).astype(np.float32)
    return Predictor(encoder, SIZE, "embedding", pooling, projection, centroids, named({}, CLUSTERS))


@contextmanager
def photographs() -> Iterator[tuple[Path, list[Photo]]]:
    """An empty folder to write to, and JPEG files of photographs of VOC's size."""
    sources = [Image.fromarray(source()) for source in (data.astronaut, data.chelsea, data.coffee, data.rocket)]
    with tempfile.TemporaryDirectory() as folder:
        photos = [Photo(Path(folder) / "in" / f"{i:03d}.jpg", f"{i:03d}.jpg") for i in range(IMAGES)]
        (Path(folder) / "in").mkdir()
        for i, photo in enumerate(photos):
            sources[i % len(sources)].resize((WIDTH, HEIGHT)).save(photo.path, quality=90)
        yield Path(folder) / "out", photos
