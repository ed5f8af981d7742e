from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.metrics.confusion import iou_matrix, mean_iou
from pipeline.params import MatchingProtocol
from pipeline.segmentation.clustering_confusions import Run
from pipeline.segmentation.matching import Match, Rule, match, match_all, merge_clusters, scores, summarize
from tests.profiles import SAMPLE

GOLDEN = np.array([[24, 0, 8], [16, 2, 0], [3, 7, 5]])


@pytest.mark.parametrize(("rule", "classes", "miou"), [("iou", [2, 0, 1], 0.3278), ("pixels", [0, 1, 2], 0.2560)])
def test_matching_by_iou_and_by_pixels_differ_as_worked_out(rule: Rule, classes: list[int], miou: float):
    other: Rule = "pixels" if rule == "iou" else "iou"
    mapping = match(GOLDEN, rule, other)
    assert mapping.tolist() == classes
    assert mean_iou(merge_clusters(GOLDEN, mapping)) == pytest.approx(miou, abs=5e-5)


def test_no_permutation_has_a_higher_sum_of_iou():
    rng = np.random.default_rng(0)
    for _ in range(10):
        confusion = rng.integers(0, 50, (5, 5))
        iou = iou_matrix(confusion)
        best = max(sum(iou[row, column] for row, column in enumerate(p)) for p in permutations(range(5)))
        assert iou[np.arange(5), match(confusion, "iou", "iou")].sum() == pytest.approx(best)


def test_many_to_one_by_iou_prefers_a_small_class_inside_a_cluster_to_the_majority():
    # Cluster 1 holds 60 background and 40 object pixels of 900 and 100: IoU 60 / 940 against 40 / 160.
    confusion = np.array([[840, 20], [60, 40], [0, 40]])
    assert iou_matrix(confusion)[1] == pytest.approx([60 / 940, 40 / 160])
    assert match(confusion, "pixels", "iou").tolist() == [0, 1, 1]
    assert match(confusion, "iou", "pixels").tolist() == [0, 0, 1]


@given(arrays.arrays(np.int64, (7, 4), elements=st.integers(0, 9)))
def test_precision_picks_the_class_that_the_majority_picks(confusion: np.ndarray):
    precision = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    assert match(confusion, "iou", "pixels").tolist() == precision.argmax(axis=1).tolist()


@pytest.mark.parametrize("rule", ["iou", "pixels"])
def test_an_empty_cluster_becomes_background_and_fewer_clusters_than_classes_work(rule: Rule):
    assert match(np.array([[9, 1, 0], [0, 0, 5], [0, 0, 0], [1, 7, 0]]), "iou", rule).tolist() == [0, 2, 0, 1]
    assert match(np.array([[9, 1, 0], [0, 0, 5]]), "iou", rule).tolist() == [0, 2]


@pytest.mark.parametrize("rule", ["iou", "pixels"])
def test_one_to_one_an_empty_cluster_takes_the_class_that_is_left(rule: Rule):
    assert match(np.array([[9, 1, 0], [0, 0, 0], [0, 1, 5]]), rule, rule).tolist() == [0, 1, 2]


def test_a_class_absent_from_the_scored_images_counts_as_zero_in_the_mean():
    confusion = np.array([[9, 0, 0], [0, 0, 4], [0, 0, 0]])
    merged = merge_clusters(confusion, match(confusion, "iou", "iou"))
    assert mean_iou(merged) == pytest.approx(2 / 3)
    many = np.vstack([confusion, [[1, 0, 0]]])
    assert mean_iou(merge_clusters(many, match(many, "iou", "iou"))) == pytest.approx(2 / 3)


def test_merged_clusters_keep_every_pixel():
    confusion = np.array([[9, 1], [0, 5], [2, 7]])
    assert merge_clusters(confusion, np.array([0, 1, 1])).tolist() == [[9, 1], [2, 12]]


def test_every_protocol_takes_its_own_size_and_rule():
    square = np.diag([5, 6, 7])
    protocols = {
        "first": MatchingProtocol(size=0, one_to_one="iou", many_to_one="iou"),
        "second": MatchingProtocol(size=9, one_to_one="pixels", many_to_one="iou"),
        "third": MatchingProtocol(size=0, one_to_one="pixels", many_to_one="iou"),
    }
    found = {f.protocol: f for f in match_all({Run("start", 3, 0): {0: GOLDEN, 9: square}}, protocols)}
    assert {name: f.mapping.tolist() for name, f in found.items()} == {
        "first": [2, 0, 1], "second": [0, 1, 2], "third": [0, 1, 2],
    }  # fmt: skip
    assert np.array_equal(found["second"].confusion, square)


def test_the_sample_scores_the_three_protocols_as_published():
    published = {name: (p.size, p.one_to_one, p.many_to_one) for name, p in SAMPLE.match_clusters}
    assert published == {
        "a": (0, "iou", "iou"),
        "a_prime": (512, "pixels", "pixels"),
        "b": (100, "iou", "pixels"),
    }


def test_scores_are_in_percent_and_agreement_is_that_of_the_clusters_before_they_have_names():
    # Two clusters share class 1: the label map is perfect, the partition is not.
    found = Match(Run("start", 3, 0), "a", np.array([0, 1, 1]), np.array([[4, 0], [0, 2], [0, 2]]))
    given_scores = scores(found)
    assert (given_scores["miou"], given_scores["accuracy"]) == (100, 100)
    # Pairs: together 6 + 1 + 1, by class 6 + 6, of 28; by chance 8 * 12 / 28.
    assert given_scores["ari"] == pytest.approx(100 * (8 - 96 / 28) / (10 - 96 / 28))
    # Entropies log 2 of the classes and 1.5 log 2 of the clusters, all of the first shared.
    assert given_scores["nmi"] == pytest.approx(100 / 1.25)


def test_a_summary_has_the_mean_and_sample_deviation_over_seeds_by_table_clusters_and_protocol():
    perfect, half, mapping = np.array([[4, 0], [0, 4]]), np.array([[4, 0], [4, 0]]), np.arange(2)
    matches = [
        Match(Run("start", 2, seed), protocol, mapping, confusion)
        for seed, confusion in enumerate((perfect, half))
        for protocol in ("a", "b")
    ]
    summary = summarize([*matches, Match(Run("start_pixels", 2, 0), "a", mapping, perfect)])
    assert summary["start"]["2"]["seeds"] == 2
    # The second has IoU 4/8 and 0: mIoU 25 and accuracy 50. The sample s.d. of two numbers is |a - b| / sqrt(2).
    root = 2**0.5
    expected = {"miou_mean": 62.5, "miou_std": 75 / root, "accuracy_mean": 75, "accuracy_std": 50 / root,
                "nmi_mean": 50, "nmi_std": 100 / root, "ari_mean": 50, "ari_std": 100 / root}  # fmt: skip
    assert summary["start"]["2"]["b"] == pytest.approx(expected)
    assert summary["start"]["2"]["a"] == summary["start"]["2"]["b"]
    assert summary["start_pixels"]["2"]["seeds"] == 1
    assert summary["start_pixels"]["2"]["a"] == pytest.approx(
        {"miou_mean": 100, "miou_std": 0, "accuracy_mean": 100, "accuracy_std": 0,
         "nmi_mean": 100, "nmi_std": 0, "ari_mean": 100, "ari_std": 0}
    )  # fmt: skip
