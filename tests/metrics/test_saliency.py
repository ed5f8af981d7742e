import numpy as np
import pytest

from pipeline.metrics.saliency import GroundTruth, SaliencyScores, grey_levels, object_labels


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
    scores.add(saliency, GroundTruth(labels.astype(np.uint8)))
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
    labels = np.zeros((9, 9), dtype=np.uint8)
    labels[3:6, 2:7] = 3
    scores = scores_of((labels > 0).astype(np.float32), labels)
    assert (scores.pop("images"), scores.pop("mae")) == (1, 0)
    # Threshold 0 finds all 81 pixels; E counts them as 81 / 80, or as a quarter where the map has no contrast.
    assert scores.pop("mean_e") == pytest.approx(81 / 80 * (255 + 0.25) / 256)
    assert (scores.pop("max_e"), scores.pop("adaptive_e")) == pytest.approx((81 / 80, 81 / 80))
    assert len(scores) == 7
    assert scores == pytest.approx(dict.fromkeys(scores, 1.0))


def test_all_thresholds_from_one_histogram_equal_a_loop_over_thresholds():
    rng = np.random.default_rng(0)
    scores, curves, adaptive, errors = SaliencyScores(0.3), [], [], []
    for _ in range(5):
        levels, truth = rng.integers(0, 256, (13, 17)), rng.random((13, 17)) < 0.3
        saliency = grey(levels // 2 + 100 * truth)
        scores.add(saliency, GroundTruth(truth.astype(np.uint8)))
        curves.append([naive_f(saliency, truth, float(np.float32(t) / np.float32(255))) for t in range(256)])
        adaptive.append(naive_f(saliency.astype(np.float64), truth, min(2 * saliency.mean(dtype=np.float64), 1)))
        errors.append(np.abs(saliency - truth).mean())
    assert scores.summary()["max_f"] == pytest.approx(np.mean(curves, axis=0).max())
    assert scores.summary()["adaptive_f"] == pytest.approx(np.mean(adaptive))
    assert scores.summary()["mae"] == pytest.approx(np.mean(errors))


def test_the_f_curve_is_averaged_before_the_maximum_is_taken():
    # Each map alone reaches F = 1, at different thresholds; no single threshold serves both.
    scores = SaliencyScores(0.3)
    truth = GroundTruth(np.array([[1, 0, 0, 0]], dtype=np.uint8))
    scores.add(grey([[100, 0, 0, 0]]), truth)
    scores.add(grey([[255, 200, 200, 200]]), truth)
    precision_quarter = 1.3 * 0.25 / (0.3 * 0.25 + 1)
    assert scores.summary()["max_f"] == pytest.approx((1 + precision_quarter) / 2)


def test_the_iou_and_e_curves_are_averaged_before_the_maximum_too():
    # Of two object pixels of four, one map finds both above level 99 and the other both above 199.
    scores, truth = SaliencyScores(0.3), GroundTruth(np.array([[1, 1, 0, 0]], dtype=np.uint8))
    scores.add(grey([[100, 100, 0, 0]]), truth)
    scores.add(grey([[200, 200, 150, 0]]), truth)
    assert scores.summary()["max_iou"] == pytest.approx((1 + 2 / 3) / 2)
    # At 100 the second finds three of four pixels: means 3/4 and 1/2, xi 4/5 twice, -4/5 and 12/13.
    beside = (2 * 1.8**2 + 0.2**2 + (25 / 13) ** 2) / 4 / 3
    assert scores.summary()["max_e"] == pytest.approx((4 / 3 + beside) / 2)


def test_an_image_has_its_own_scores_and_the_summary_their_mean():
    scores, truth = SaliencyScores(0.3), GroundTruth(np.array([[1, 0, 0]], dtype=np.uint8))
    found = [scores.add(grey([levels]), truth) for levels in ([255, 0, 0], [60, 90, 0])]
    summary = scores.summary()
    assert found[0]["f_at_half"] == 1
    assert found[1]["f_at_half"] == 0
    assert {name: summary[name] for name in found[0]} == pytest.approx(
        {name: (found[0][name] + found[1][name]) / 2 for name in found[0]}
    )
    assert set(summary) - set(found[0]) == {"images", "max_f", "max_e", "max_iou"}


def test_the_adaptive_threshold_never_exceeds_white():
    # A mean of 0.75 would ask for 1.5; white pixels must still be found.
    assert scores_of(grey([[255, 255, 255, 0]]), np.array([[1, 1, 1, 0]]))["adaptive_f"] == pytest.approx(1)


def test_what_a_map_says_of_ignored_pixels_changes_nothing():
    labels = np.array([[1, 1, 255], [0, 0, 255]])
    found = scores_of(grey([[204, 51, 255], [153, 0, 9]]), labels)
    assert found == scores_of(grey([[204, 51, 0], [153, 0, 77]]), labels)
    # But for the weighted F, whose smoothing ends at the image's edge, they might as well not be there.
    cut = scores_of(grey([[204, 51], [153, 0]]), labels[:, :2])
    assert found | {"weighted_f": 0} == cut | {"weighted_f": 0}


def test_an_image_without_an_object_scores_zero_but_has_an_error():
    scores = scores_of(grey([[255, 0]]), np.array([[0, 0]]))
    assert (scores["max_f"], scores["iou_at_half"], scores["mae"]) == (0, 0, 0.5)
    assert (scores["weighted_f"], scores["s_measure"], scores["adaptive_e"]) == (0, 0.5, 1)


def test_no_images_give_a_count_and_no_scores():
    assert SaliencyScores(0.3).summary() == {"images": 0}


def test_every_stored_level_falls_into_its_own_bin():
    levels = grey_levels(grey([list(range(256))]))
    on_background, on_object = GroundTruth(np.ones((1, 256), dtype=np.uint8)).level_counts(levels).sum(axis=0)
    assert (on_object == 1).all()
    assert not on_background.any()


def test_every_class_is_an_object_and_255_stays_ignored():
    assert object_labels(np.array([[0, 1, 20, 255]], dtype=np.uint8)).tolist() == [[0, 1, 1, 255]]
