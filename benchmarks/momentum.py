"""The key encoder's update, all tensors at once, against a loop over them, for the paper's network, one thread."""

import torch
from torch import Tensor, nn

from benchmarks.measure import interleaved, published
from pipeline.contrast.encoder import Encoder
from pipeline.contrast.momentum import key_copy, update_key
from pipeline.networks.backbone import Backbone
from pipeline.params import Encoder as EncoderSettings

BACKBONE, MOMENTUM, ROUNDS = "resnet50", 0.999, 15


def run() -> dict[str, object]:
    """Measure both on 39.6 million weights, after checking that they agree."""
    torch.set_num_threads(1)
    settings = EncoderSettings(**published("pretrain")["encoder"])
    query = Encoder(Backbone(BACKBONE, settings.output_stride), settings)
    key = key_copy(query)
    with torch.no_grad():
        for parameter in query.parameters():
            parameter += torch.randn_like(parameter)
    expected, found = _looped(key_copy(key), query), _updated(key_copy(key), query)
    error = max(float((one - other).abs().max()) for one, other in zip(found, expected, strict=True))
    assert error <= 1e-6, f"error {error}"
    seconds, looped = interleaved(lambda: _updated(key, query), lambda: _looped(key, query), ROUNDS)
    return {"ratio": looped / seconds, "ours": 1000 * seconds, "reference": 1000 * looped, "unit": "ms"}


def _updated(key: nn.Module, query: nn.Module) -> list[Tensor]:
    update_key(key, query, MOMENTUM)
    return list(key.parameters())


def _looped(key: nn.Module, query: nn.Module) -> list[Tensor]:
    """The formula as it reads, one parameter after the other."""
    for old, new in zip(key.parameters(), query.parameters(), strict=True):
        old.data = old.data * MOMENTUM + new.data * (1 - MOMENTUM)
    return list(key.parameters())
