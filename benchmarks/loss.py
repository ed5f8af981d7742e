"""MaskContrast's losses and gradients against the plain formulation, at 224 px and 16 images, one thread."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.measure import interleaved
from pipeline.contrast.loss import balanced_saliency_loss, contrastive_loss
from pipeline.contrast.prototypes import pool_pixels

BATCH, SIZE, STRIDE, DIM, QUEUE, TEMPERATURE = 16, 224, 8, 32, 128, 0.5
FOREGROUND = 0.3


def run() -> dict[str, object]:
    """Measure both, from stride-8 maps and masks to losses and gradients at stride 8, after checking they agree."""
    torch.set_num_threads(1)
    inputs = random_inputs(BATCH, SIZE, QUEUE)
    ours, reference = value_and_gradients(fused, inputs), value_and_gradients(plain, inputs)
    for got, expected in zip(ours, reference, strict=True):
        error = float((got - expected).norm() / expected.norm())
        assert error <= 1e-5, f"relative error {error}"
    seconds, longer = interleaved(
        lambda: value_and_gradients(fused, inputs), lambda: value_and_gradients(plain, inputs), rounds=7
    )
    return {"ratio": longer / seconds, "ours": seconds, "reference": longer, "unit": "s"}


def random_inputs(batch: int, size: int, queue: int) -> dict[str, Tensor]:
    """Random maps of both encoders, elliptical masks, and a queue."""
    torch.manual_seed(0)
    side = size // STRIDE
    return {
        "query": torch.randn(batch, DIM, side, side, requires_grad=True),
        "saliency": torch.randn(batch, 1, side, side, requires_grad=True),
        "key": torch.randn(batch, DIM, side, side),
        "query_masks": ellipses(batch, size, 0),
        "key_masks": ellipses(batch, size, 1),
        "queue": F.normalize(torch.randn(queue, DIM), dim=1),
    }


def ellipses(batch: int, size: int, seed: int) -> Tensor:
    """Ellipses of various shapes that cover `FOREGROUND` of each image."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size] / size
    masks = []
    for stretch, y, x in zip(rng.uniform(0.8, 1.25, batch), *rng.uniform(0.4, 0.6, (2, batch)), strict=True):
        distance = ((rows - y) * stretch) ** 2 + ((columns - x) / stretch) ** 2
        masks.append(distance <= np.quantile(distance, FOREGROUND))
    return torch.from_numpy(np.stack(masks))


def value_and_gradients(losses, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """Contrastive loss, accuracy, saliency loss, and the gradients at the query's two maps."""
    contrastive, accuracy, saliency = losses(**inputs)
    gradients = torch.autograd.grad(contrastive + saliency, [inputs["query"], inputs["saliency"]])
    return contrastive.detach(), accuracy, saliency.detach(), *gradients


def fused(query, saliency, key, query_masks, key_masks, queue) -> tuple[Tensor, Tensor, Tensor]:
    """The pipeline's losses and accuracy."""
    prototypes = pool_pixels(key, key_masks.float())
    contrastive, accuracy = contrastive_loss(query, query_masks, prototypes, queue, TEMPERATURE, class_balance=True)
    return contrastive, accuracy, balanced_saliency_loss(saliency, query_masks)


def plain(query, saliency, key, query_masks, key_masks, queue) -> tuple[Tensor, Tensor, Tensor]:
    """The formulas as they read, with full-size embeddings and one matrix of all logits."""
    full = {"size": query_masks.shape[1:], "mode": "bilinear", "align_corners": False}
    pixels = F.normalize(F.interpolate(query, **full), dim=1).permute(0, 2, 3, 1).reshape(-1, query.shape[1])
    labels = (torch.arange(len(query), device=query.device)[:, None, None] + 1) * query_masks
    kept = labels.flatten().nonzero()[:, 0]
    pixels, labels = pixels[kept], labels.flatten()[kept] - 1
    with torch.no_grad():
        keys = F.normalize(F.interpolate(key, **full), dim=1)
        prototypes = F.normalize((keys * key_masks[:, None]).sum((2, 3)), dim=1)
    logits = torch.cat([pixels @ prototypes.T, pixels @ queue.T], dim=1) / TEMPERATURE
    present, counts = torch.unique(labels, return_counts=True)
    shares = logits.new_zeros(logits.shape[1]).scatter(0, present, counts / len(labels))
    contrastive = F.cross_entropy(logits, labels, weight=1 / torch.log(1.02 + shares))
    accuracy = (logits.detach().topk(5).indices[:, 0] == labels).float().mean()
    target = query_masks.float()
    background = 1 - target.mean()
    weights = background * target + (1 - background) * (1 - target)
    upsampled = F.interpolate(saliency, **full)[:, 0]
    return contrastive, accuracy, F.binary_cross_entropy_with_logits(upsampled, target, weights)
