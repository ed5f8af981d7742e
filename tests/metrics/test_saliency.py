import numpy as np
import pytest

from pipeline.metrics.confusion import Confusion
from pipeline.metrics.saliency import SaliencyScores, level_counts, mask_scores, object_labels


def grey(levels: list[list[int]] | np.ndarray) -> np.ndarray:
    return np.array(levels, dtype=np.float32) / 255


def naive_f(saliency: np.ndarray, truth: np.ndarray, threshold: float, beta_squared: float = 0.3) -> float:
    predicted = saliency >= threshold
    hits = (predicted & truth).sum()
    if not hits:
        return 0.0
    precision, recall = hits / predicted.sum(), hits / truth.sum()
    return (1 + beta_squared) * precision * recall / (beta_squared * precision + recall)


def scores_of(saliency: np.ndarray, labels: np.ndarray) -> dict[str, int | float]:
    scores = SaliencyScores(0.3)
    scores.add(saliency, labels.astype(np.uint8))
    return scores.summary()


def test_scores_of_four_pixels_by_hand():
    # At 0.5 the map finds one of two object pixels and one background pixel: P = R = 1/2, IoU 1/3.
    # Twice the mean level is 2 * 408 / 4 = 204, so the adaptive threshold leaves P = 1/1, R = 1/2.
    # Level 51 and below predict everything: P = 1/2, R = 1, which beats nothing; the best F is the adaptive one.
    scores = scores_of(grey([[204, 51], [153, 0]]), np.array([[1, 1], [0, 0]]))
    assert scores["mae"] == pytest.approx((51 + 204 + 153 + 0) / 255 / 4)
    assert scores["f_at_half"] == pytest.approx(0.5)
    assert scores["iou_at_half"] == pytest.approx(1 / 3)
    assert scores["adaptive_f"] == pytest.approx(1.3 * 0.5 / (0.3 + 0.5))
    assert scores["max_f"] == pytest.approx(1.3 * 0.5 / (0.3 + 0.5))
    assert scores["images"] == 1


def test_a_perfect_map_has_no_error():
    labels = np.array([[1, 0], [0, 3]])
    assert scores_of((labels > 0).astype(np.float32), labels) == {
        "images": 1, "max_f": 1.0, "mae": 0.0, "adaptive_f": 1.0, "f_at_half": 1.0, "iou_at_half": 1.0,
    }  # fmt: skip


def test_all_thresholds_from_one_histogram_equal_a_loop_over_thresholds():
    rng = np.random.default_rng(0)
    scores, curves, adaptive, errors = SaliencyScores(0.3), [], [], []
    for _ in range(5):
        levels, truth = rng.integers(0, 256, (13, 17)), rng.random((13, 17)) < 0.3
        saliency = grey(levels // 2 + 100 * truth)
        scores.add(saliency, truth.astype(np.uint8))
        curves.append([naive_f(saliency, truth, float(np.float32(t) / np.float32(255))) for t in range(256)])
        adaptive.append(naive_f(saliency.astype(np.float64), truth, min(2 * saliency.mean(dtype=np.float64), 1)))
        errors.append(np.abs(saliency - truth).mean())
    assert scores.summary()["max_f"] == pytest.approx(np.mean(curves, axis=0).max())
    assert scores.summary()["adaptive_f"] == pytest.approx(np.mean(adaptive))
    assert scores.summary()["mae"] == pytest.approx(np.mean(errors))


def test_the_f_curve_is_averaged_before_the_maximum_is_taken():
    # Each map alone reaches F = 1, at different thresholds; no single threshold serves both.
    scores = SaliencyScores(0.3)
    scores.add(grey([[100, 0, 0, 0]]), np.array([[1, 0, 0, 0]], dtype=np.uint8))
    scores.add(grey([[255, 200, 200, 200]]), np.array([[1, 0, 0, 0]], dtype=np.uint8))
    precision_quarter = 1.3 * 0.25 / (0.3 * 0.25 + 1)
    assert scores.summary()["max_f"] == pytest.approx((1 + precision_quarter) / 2)


def test_the_adaptive_threshold_never_exceeds_white():
    # A mean of 0.75 would ask for 1.5; white pixels must still be found.
    assert scores_of(grey([[255, 255, 255, 0]]), np.array([[1, 1, 1, 0]]))["adaptive_f"] == pytest.approx(1)


def test_ignored_pixels_change_nothing():
    with_ignored = scores_of(grey([[204, 51, 255], [153, 0, 9]]), np.array([[1, 1, 255], [0, 0, 255]]))
    assert with_ignored == scores_of(grey([[204, 51], [153, 0]]), np.array([[1, 1], [0, 0]]))


def test_an_image_without_an_object_scores_zero_but_has_an_error():
    scores = scores_of(grey([[255, 0]]), np.array([[0, 0]]))
    assert (scores["max_f"], scores["iou_at_half"], scores["mae"]) == (0, 0, 0.5)


def test_no_images_give_a_count_and_no_scores():
    assert SaliencyScores(0.3).summary() == {"images": 0}


def test_every_stored_level_falls_into_its_own_bin():
    on_object, on_background = level_counts(grey([list(range(256))]), np.ones((1, 256), dtype=np.uint8))
    assert (on_object == 1).all()
    assert not on_background.any()


def test_every_class_is_an_object_and_255_stays_ignored():
    assert object_labels(np.array([[0, 1, 20, 255]], dtype=np.uint8)).tolist() == [[0, 1, 1, 255]]


def test_mask_scores_by_hand():
    confusion = Confusion(2, 2)
    confusion.add(np.array([[1, 1, 1, 0]], dtype=np.uint8), np.array([[1, 1, 0, 1]], dtype=np.uint8))
    assert mask_scores(confusion) == pytest.approx({"iou": 2 / 4, "precision": 2 / 3, "recall": 2 / 3})
