import numpy as np
import torch

from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.segmentation.label_batches import LabelledSquares
from pipeline.segmentation.pixel_classifier import pixel_classifier, score


def test_classifier_starts_small_and_unbiased() -> None:
    torch.manual_seed(0)
    classifier = pixel_classifier(400, 25)
    assert classifier.weight.shape == (25, 400, 1, 1)
    assert abs(float(classifier.weight.detach().std()) - 0.01) < 2e-4
    assert not classifier.get_parameter("bias").any()


def one_hot(labels: np.ndarray, classes: int) -> torch.Tensor:
    return torch.eye(classes)[torch.from_numpy(labels.copy()).long() % classes].permute(2, 0, 1)[None]


def test_perfect_logits_score_on_the_diagonal_alone(coloured: tuple[ImageSet, LabelSet]) -> None:
    images, labels = coloured
    squares = LabelledSquares(images, labels, np.array([6, 7]), 192)
    truth = [labels.labels(i) for i in (6, 7)]
    # 192 is a multiple of 48 and of 64, so the way to the square and back is exact.
    logits = (one_hot(np.kron(t, np.ones((4, 3), np.uint8)), 3) for t in truth)
    counts = score(logits, squares).counts
    assert counts.tolist() == np.diag(np.bincount(np.stack(truth).ravel(), minlength=256)[:3]).tolist()


def test_score_counts_pixels_of_the_original_size_and_skips_the_ignored(coloured: tuple[ImageSet, LabelSet]) -> None:
    images, labels = coloured
    squares = LabelledSquares(images, labels, np.array([6, 7]), 32)
    always_red = torch.tensor([0.0, 1.0, 0.0])[None, :, None, None].expand(2, 3, 4, 4)
    counts = score([always_red], squares).counts
    # 44 rows are labelled; image 6 has 32 blue and 32 red columns, image 7 has 33 red and 31 green ones.
    assert counts.tolist() == [[0, 0, 0], [44 * 32, 44 * (32 + 33), 44 * 31], [0, 0, 0]]
