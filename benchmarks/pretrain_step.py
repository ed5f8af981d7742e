"""One step of pretraining, views and all, against a plain one; on a GPU with the paper's settings, else a small one.

The plain step has the same networks in single precision (on a GPU with TF32 convolutions, as is PyTorch's default),
neither compiled nor with channels last, the losses as the formulas read, and moves the key one tensor at a time.
"""

import io
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import loss
from benchmarks.measure import interleaved, peak_growth, published
from pipeline.contrast.encoder import Encoder
from pipeline.contrast.precision import prepare
from pipeline.contrast.pretraining import MaskContrast
from pipeline.images.datasets import ImageSet
from pipeline.images.view_pairs import ViewPair, ViewPairs
from pipeline.images.views import on_device
from pipeline.mask_store import MaskStore, write_masks
from pipeline.networks.backbone import Backbone
from pipeline.packed import write_packed
from pipeline.params import Pretrain
from pipeline.runtime import device as chosen_device, workers

# Of a step on a CPU.
BATCH, SIZE, STEPS = 8, 64, 5


def run() -> dict[str, object]:
    """Milliseconds of wall time of a step on views already drawn; `images_per_second` and the shares count them too."""
    device = chosen_device()
    name, settings = _settings(device)
    steps = STEPS if device.type == "cpu" else 10 * STEPS
    with tempfile.TemporaryDirectory() as folder:
        loader = _loader(Path(folder), settings, steps, device)
        model = _model(name, settings, device)
        prepare(model.query, device)
        prepare(model.key, device)
        waits: list[float] = []
        step = _step(model, settings)
        memory = _peak_bytes(device, lambda: waits.extend(_waits(loader, step, settings, device)))
        batch = _on(device, next(iter(loader)), settings)
    plain = _model(name, settings, device)
    plain_step = _plain_step(plain, settings)
    seconds, plain_seconds = interleaved(lambda: step(*batch), lambda: plain_step(*batch), steps, wall=True)
    loss_seconds = _loss_seconds(model, batch, steps)
    with FlopCounterMode(display=False) as counter:
        plain_step(*batch)
    wait = statistics.median(waits)
    rate = counter.get_total_flops() / seconds
    return {
        "ratio": plain_seconds / seconds,
        "ours": 1000 * seconds,
        "reference": 1000 * plain_seconds,
        "unit": "ms",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads",
        "images_per_second": settings.batch / (wait + seconds),
        "loss_share": loss_seconds / (wait + seconds),
        "loader_share": wait / (wait + seconds),
        "network_share": (seconds - loss_seconds) / (wait + seconds),
        "peak_mib": memory / 2**20,
        "tflops": rate / 1e12,
        "share_of_matmul_rate": rate / _matmul_rate(device),
    }


def _settings(device: torch.device) -> tuple[str, Pretrain]:
    """Backbone and settings of the paper, or ones that a CPU can do."""
    settings = published("pretrain")
    if device.type == "cuda":
        return published("prepare_weights")["backbone"], Pretrain.model_validate(settings)
    settings["batch"], settings["views"]["size"] = BATCH, SIZE
    settings["encoder"] |= {"atrous_rates": [2, 4, 6], "decoder_channels": 64}
    return "resnet18", Pretrain.model_validate(settings)


def _loader(folder: Path, settings: Pretrain, steps: int, device: torch.device) -> DataLoader:
    """Batches of views of two batches of images of 500x375, of which an ellipse is the object, decoded every time."""
    count, rng = 2 * settings.batch, np.random.default_rng(0)
    ids = [f"{i:04d}" for i in range(count)]
    columns = {"height": [375] * count, "width": [500] * count}
    write_packed(folder / "images.h5", [(image_id, _jpeg(rng)) for image_id in ids], "images", columns=columns)
    masks = loss.ellipses(count, 500, 0)[:, :375].numpy()
    write_masks(folder / "masks.h5", ids, np.array([[375, 500]] * count), masks)
    images, store = ImageSet(folder / "images.h5"), MaskStore(folder / "masks.h5")
    views = ViewPairs(images, store, np.arange(count), settings.views, 0)
    halves = np.arange(count).reshape(2, -1).tolist()
    batches = list(itertools.islice(itertools.cycle(halves), steps + 2))
    return DataLoader(views, batch_sampler=batches, num_workers=workers(), pin_memory=device.type == "cuda")


def _jpeg(rng: np.random.Generator) -> bytes:
    """Coloured clouds: as many bytes as a photograph has, roughly."""
    coarse = Image.fromarray(rng.integers(0, 256, (47, 63, 3), dtype=np.uint8))
    file = io.BytesIO()
    coarse.resize((500, 375), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def _model(name: str, settings: Pretrain, device: torch.device) -> MaskContrast:
    torch.manual_seed(0)
    encoder = Encoder(Backbone(name, settings.encoder.output_stride), settings.encoder)
    return MaskContrast(encoder, settings, 0).to(device).train()


def _on(device: torch.device, batch: ViewPair, settings: Pretrain) -> list[Tensor]:
    return [part for views in (batch.query, batch.key) for part in on_device(views, settings.views, device)]


def _step(model: MaskContrast, settings: Pretrain) -> Callable[..., None]:
    optimizer = torch.optim.SGD(model.query.parameters(), settings.learning_rate, 0.9)

    def step(*views: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        model(*views)["loss"].backward()
        optimizer.step()
        _synchronize(views[0].device)

    return step


def _plain_step(model: MaskContrast, settings: Pretrain) -> Callable[..., None]:
    optimizer = torch.optim.SGD(model.query.parameters(), settings.learning_rate, 0.9, foreach=False)

    def step(query_images: Tensor, query_masks: Tensor, key_images: Tensor, key_masks: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        embeddings, saliency = model.query(query_images)
        with torch.no_grad():
            for key, query in zip(model.key.parameters(), model.query.parameters(), strict=True):
                key.mul_(settings.momentum).add_(query, alpha=1 - settings.momentum)
            keys = model.key(key_images)[0]
        parts = loss.plain(embeddings, saliency, keys, query_masks, key_masks, model.queue.prototypes)
        (parts[0] + parts[2]).backward()
        optimizer.step()
        _synchronize(query_images.device)

    return step


def _waits(loader: DataLoader, step: Callable[..., None], settings: Pretrain, device: torch.device) -> list[float]:
    """Seconds that each step waited for its views; the first two steps, which compile, are left out."""
    waits, start = [], time.perf_counter()
    for batch in loader:
        views = _on(device, batch, settings)
        _synchronize(device)
        waits.append(time.perf_counter() - start)
        step(*views)
        start = time.perf_counter()
    return waits[2:]


def _loss_seconds(model: MaskContrast, batch: list[Tensor], rounds: int) -> float:
    """Median seconds of the losses and their gradients, given the maps of both encoders."""
    query_images, query_masks, key_images, key_masks = batch
    with torch.no_grad():
        maps, keys = model.query(query_images), model.key(key_images)[0]
    query, saliency = (part.detach().requires_grad_() for part in maps)
    masks = {"query_masks": query_masks, "key_masks": key_masks}
    inputs = {"query": query, "saliency": saliency, "key": keys, **masks, "queue": model.queue.prototypes}
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        loss.value_and_gradients(loss.fused, inputs)
        _synchronize(query.device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def _peak_bytes(device: torch.device, call: Callable[[], object]) -> int:
    """The most memory in use: on a GPU all of it, on a CPU beyond what was in use before."""
    if device.type == "cpu":
        return peak_growth(call)
    call()
    return torch.cuda.max_memory_allocated(device)


def _matmul_rate(device: torch.device) -> float:
    """Operations a second of a large matrix product, in the precision the encoders are computed in."""
    side, dtype = (8192, torch.bfloat16) if device.type == "cuda" else (1024, torch.float)
    matrix = torch.randn(side, side, device=device, dtype=dtype)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        matrix.mm(matrix)
        _synchronize(device)
        times.append(time.perf_counter() - start)
    return 2 * side**3 / statistics.median(times)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
