"""A finished model in one file: encoder with its saliency head, pooling, projection, centroids and names of clusters.

What `embed` and `cluster` do to the images of a set, it does to any image. The file is one of `networks.weights`, of
kind `predictor`: the encoder's tensors below `encoder.`, `mean`, `matrix` and `centroids` beside them.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from pipeline.cluster_names import ClusterNames
from pipeline.cluster_store import ClusterStore, Projection
from pipeline.contrast.encoder import Encoder, load_encoder
from pipeline.embedding_store import EmbeddingStore
from pipeline.errors import InputError
from pipeline.networks.backbone import Backbone
from pipeline.networks.weights import read_network, save_network
from pipeline.params import BundlePredictor, Encoder as EncoderSettings, Pooling

KIND, TABLE = "predictor", "maskcontrast"


@dataclass(frozen=True)
class Predictor:
    """`size` is the side in pixels of the square that the network sees; `features` are those that are pooled."""

    encoder: Encoder
    size: int
    features: Literal["embedding", "decoder"]
    pooling: Pooling
    projection: Projection
    centroids: Float32[np.ndarray, "k p"]
    naming: ClusterNames

    def on(self, device: torch.device) -> "Predictor":
        """The same on a device, in evaluation mode."""
        return replace(self, encoder=self.encoder.to(device).eval())

    def maps(self, images: Float[Tensor, "b 3 s s"]) -> tuple[Float[Tensor, "b d h w"], Float[Tensor, "b 1 h w"]]:
        """The features that are pooled, and saliency logits, of RGB images in [0, 1]."""
        decoded = self.encoder.deeplab(images)
        embeddings, logits = self.encoder.heads(decoded)
        return (decoded if self.features == "decoder" else embeddings), logits


def bundle(encoder: Path, embeddings: Path, clusters: Path, chosen: BundlePredictor, naming: ClusterNames) -> Predictor:
    """Put together the encoder, how its embeddings were pooled, and the `chosen` one of their clusterings.

    InputError when there is no such clustering.
    """
    used, store = EmbeddingStore(embeddings).metadata, ClusterStore(clusters)
    if chosen.clusters not in store.clusters(TABLE) or chosen.seed not in store.seeds(TABLE, chosen.clusters):
        raise InputError(
            f"{clusters} has no clustering of K {chosen.clusters} and seed {chosen.seed}; choose one of "
            "cluster.clusters and cluster.seeds in bundle_predictor"
        )
    pooling = Pooling(**{key: value for key, value in used["pooling"].items() if key in Pooling.model_fields})
    centroids = store.runs(TABLE, chosen.clusters)[chosen.seed].centroids
    projection = store.projection(TABLE)
    return Predictor(load_encoder(encoder), used["size"], used["features"], pooling, projection, centroids, naming)


def save_predictor(path: Path, predictor: Predictor) -> None:
    """Save a predictor, to be read by `load_predictor`."""
    encoder = predictor.encoder
    config = {
        "backbone": encoder.deeplab.backbone.name,
        "encoder": encoder.settings.model_dump(),
        "size": predictor.size,
        "features": predictor.features,
        "pooling": predictor.pooling.model_dump(),
        **predictor.naming._asdict(),
    }
    arrays = {**predictor.projection._asdict(), "centroids": predictor.centroids}
    state = {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    save_network(path, KIND, config, state | {name: torch.from_numpy(array) for name, array in arrays.items()})


def load_predictor(path: Path) -> Predictor:
    """The predictor in a file; InputError for a missing, damaged or another kind of file."""
    config, state = read_network(path, KIND)
    return Predictor(
        _encoder(config, state),
        config["size"],
        config["features"],
        Pooling(**config["pooling"]),
        Projection(state["mean"].numpy(), state["matrix"].numpy()),
        state["centroids"].numpy(),
        ClusterNames(config["names"], config["classes"]),
    )


def _encoder(config: dict[str, Any], state: dict[str, Tensor]) -> Encoder:
    settings = EncoderSettings(**config["encoder"])
    encoder = Encoder(Backbone(config["backbone"], settings.output_stride), settings)
    prefix = "encoder."
    own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    encoder.load_state_dict(own)
    return encoder.eval()
