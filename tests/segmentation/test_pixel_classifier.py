import numpy as np
import torch
import torch.nn.functional as F

from pipeline.images.datasets import ImageSet, LabelSet
from pipeline.segmentation.label_batches import LabelledSquares
from pipeline.segmentation.pixel_classifier import pixel_classifier, pixel_cross_entropy, score


def test_classifier_starts_small_and_unbiased() -> None:
    torch.manual_seed(0)
    classifier = pixel_classifier(400, 25)
    assert classifier.weight.shape == (25, 400, 1, 1)
    assert abs(float(classifier.weight.detach().std()) - 0.01) < 2e-4
    assert not classifier.get_parameter("bias").any()


def test_cross_entropy_and_gradient_equal_those_of_the_whole_batch_at_once() -> None:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 4, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 5, (3, 32, 32), generator=rng).to(torch.uint8)
    labels[0], labels[1, :9] = 255, 255
    full = F.interpolate(logits, size=(32, 32), mode="bilinear", align_corners=False)
    expected = F.cross_entropy(full, labels.long(), ignore_index=255)
    found = pixel_cross_entropy(logits, labels)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (found, expected)))


def test_batch_without_a_labelled_pixel_teaches_nothing() -> None:
    logits = torch.randn(1, 2, 2, 2, requires_grad=True)
    loss = pixel_cross_entropy(logits, torch.full((1, 4, 4), 255, dtype=torch.uint8))
    loss.backward()
    assert logits.grad is not None
    assert float(loss.detach()) == 0
    assert not logits.grad.any()


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
