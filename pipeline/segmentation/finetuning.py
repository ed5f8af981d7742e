"""Semi-supervised fine-tuning: the whole network and a new classifier on few labelled images (paper section 4.6).

From Appendix F are SGD with momentum 0.9, weight decay 1e-4, batches of 8, poly decay, and the learning rates: 0.004 in
general, for MaskContrast at 1 and 2 % of the labels 0.001 and 0.1 in the classifier, its batch statistics frozen.
The paper does not say how many iterations, which crops and augmentation, which power of the decay, whether scale and
shift of frozen batch normalisation learn, and does not publish its splits; code there is none. Here a number of
iterations holds for all fractions, images are whole squares under the augmentation of the authors' linear probe, the
power is 0.9 and scale and shift learn. What is scored is the network after the last iteration.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.utils.data import DataLoader

from pipeline.history import History
from pipeline.metrics.confusion import mean_iou
from pipeline.networks.backbone import load_backbone
from pipeline.networks.deeplab import DeepLab, load_deeplab
from pipeline.params import Encoder, Finetune, FinetuneRates, LabelCrf
from pipeline.progress import track
from pipeline.runtime import device, workers
from pipeline.scratch import IN_MEMORY, Scratch
from pipeline.seeding import generator, seed_torch
from pipeline.segmentation.augmentation import AugmentedSquares, Draw
from pipeline.segmentation.label_batches import LabelledSquares
from pipeline.segmentation.label_crf import require_backend, score_after_crf
from pipeline.segmentation.pixel_classifier import pixel_classifier, score
from pipeline.segmentation.pixel_loss import pixel_cross_entropy
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.loop import train_epochs
from pipeline.training.schedules import poly

STRETCHES = 10


class Segmenter(nn.Module):
    """DeepLab and a new 1x1 classifier on its features."""

    def __init__(self, deeplab: DeepLab, classes: int) -> None:
        super().__init__()
        self.deeplab, self.classifier = deeplab, pixel_classifier(deeplab.channels, classes)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c h8 w8"]:
        """Class logits at the output stride, for RGB images in [0, 1]."""
        return self.classifier(self.deeplab(images))


def initial_network(init: Literal["start", "maskcontrast"], path: Path, encoder: Encoder, seed: int) -> DeepLab:
    """The pretrained network (`maskcontrast`), or the starting backbone under a fresh decoder of the same geometry."""
    if init == "maskcontrast":
        return load_deeplab(path)
    seed_torch(seed, "decoder")
    backbone = load_backbone(path, encoder.output_stride)
    return DeepLab(backbone, encoder)


def draw_batches(images: int, batch: int, iterations: int, seed: int) -> list[list[Draw]]:
    """The images of every iteration, from one random order of all after the other, so that none is seen more often.

    With fewer images than a batch holds, a batch holds several views of an image.
    """
    rng = generator(seed, "order")
    orders = [rng.permutation(images) for _ in range(-(-iterations * batch // images))]
    rows = np.concatenate(orders)[: iterations * batch].reshape(iterations, batch).tolist()
    return [[(iteration, position, j) for position, j in enumerate(row)] for iteration, row in enumerate(rows)]


def learning_rates(section: Finetune, init: Literal["start", "maskcontrast"], fraction: float) -> FinetuneRates:
    """The rates of an initialisation; MaskContrast's are others at fractions up to `small_up_to` (paper Appendix F)."""
    if init == "start":
        return section.start
    return section.maskcontrast_small if fraction <= section.small_up_to else section.maskcontrast


def parameter_groups(segmenter: Segmenter, rates: FinetuneRates) -> list[dict[str, object]]:
    """The network and the classifier, each with its learning rate."""
    return [
        {"params": list(segmenter.deeplab.parameters()), "lr": rates.network},
        {"params": list(segmenter.classifier.parameters()), "lr": rates.classifier},
    ]


def freeze_batchnorm(network: nn.Module) -> None:
    """Fix the statistics of every batch normalisation; its scale and shift go on learning."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def finetune(
    network: DeepLab,
    squares: LabelledSquares,
    section: Finetune,
    rates: FinetuneRates,
    seed: int,
    scratch: Scratch = IN_MEMORY,
) -> tuple[Segmenter, History]:
    """Train for `iterations` batches with SGD, momentum 0.9 and poly decay; the history has the loss of ten stretches.

    Classifier, dropout, order and augmentation are drawn from `seed`. Raises InputError when the CRF asked for is not
    installed, before anything is trained.
    """
    require_backend(section.crf)
    seed_torch(seed, "classifier and dropout")
    segmenter = Segmenter(network, len(squares.classes)).to(device()).train()
    if rates.frozen_batchnorm:
        freeze_batchnorm(segmenter)
    optimizer = torch.optim.SGD(parameter_groups(segmenter, rates), momentum=0.9, weight_decay=section.weight_decay)
    draws = draw_batches(len(squares), section.batch, section.iterations, seed)
    views, stretches = AugmentedSquares(squares, seed), min(STRETCHES, section.iterations)
    ends = [section.iterations * (stretch + 1) // stretches for stretch in range(stretches)]

    def batches(stretch: int) -> list[list[Draw]]:
        return draws[ends[stretch - 1] if stretch else 0 : ends[stretch]]

    def load(chosen: Sequence[list[Draw]]) -> DataLoader:
        return DataLoader(views, batch_sampler=chosen, num_workers=workers())

    def step(batch: list[Tensor]) -> dict[str, Tensor]:
        views, labels = (tensor.to(device()) for tensor in batch)
        return {"loss": pixel_cross_entropy(segmenter(views), labels)}

    def decay(_: float, iteration: int) -> float:
        return poly(iteration / section.iterations)

    losses, history, checkpoint = History(), History(), Checkpoint(scratch, segmenter=segmenter)
    for _ in train_epochs(batches, step, optimizer, stretches, losses, "fine-tuning", decay, load, checkpoint):
        pass
    for end, row in zip(ends, losses.rows, strict=True):
        history.add(iteration=end, loss=row["loss"])
    return segmenter, history


def score_segmenter(
    segmenter: Segmenter, squares: LabelledSquares, batch: int, crf: LabelCrf | None = None
) -> Int64[np.ndarray, "c c"]:
    """Predicted (rows) against true classes in pixels, at the original sizes, with `crf` after the CRF.

    The segmenter ends in evaluation mode.
    """
    segmenter.eval()
    loader = track(DataLoader(squares, batch, num_workers=workers()), "scoring", unit="batch")
    logits = (segmenter(images.to(device())) for images, _ in loader)
    with torch.no_grad():
        return (score_after_crf(logits, squares, crf) if crf else score(logits, squares)).counts


def crf_scores(segmenter: Segmenter, squares: LabelledSquares, section: Finetune) -> dict[str, float]:
    """`miou_crf`, the mIoU in percent after the CRF; nothing where none is asked for."""
    if section.crf.backend == "none":
        return {}
    return {"miou_crf": 100 * mean_iou(score_segmenter(segmenter, squares, section.batch, section.crf))}
