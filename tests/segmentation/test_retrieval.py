import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.metrics.confusion import class_iou
from pipeline.segmentation.retrieval import (
    Segments,
    class_subsets,
    example_rows,
    only_classes,
    retrieval_confusion,
    retrieval_scores,
    retrieve_classes,
    segment_classes,
    spread_over_classes,
)

NAMES = ["background", "cat", "dog", "cow"]


def unit(*angles: float) -> np.ndarray:
    """Unit vectors at the given angles in degrees."""
    radians = np.deg2rad(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_a_segment_has_its_most_frequent_object_class_even_below_the_background():
    counts = np.array([[[5, 9, 0], [8, 2, 3]], [[0, 9, 9], [7, 0, 0]], [[0, 0, 0], [0, 1, 0]]])
    assert segment_classes(counts).tolist() == [2, 0, 1]


def test_a_query_takes_the_class_of_the_nearest_segment():
    found = retrieve_classes(unit(0, 90, 180), np.array([3, 1, 2]), unit(10, 80, 200, 100), 1)
    assert found.tolist() == [3, 1, 2, 1]


def test_unlabelled_segments_are_never_the_answer():
    assert retrieve_classes(unit(0, 90), np.array([0, 4]), unit(1), 1).tolist() == [4]


def test_the_majority_wins_over_the_nearest():
    bank, classes = unit(0, 20, 25, 180), np.array([3, 1, 1, 3])
    assert retrieve_classes(bank, classes, unit(5), 1).tolist() == [3]
    assert retrieve_classes(bank, classes, unit(5), 3).tolist() == [1]


def test_among_equal_votes_the_nearest_wins():
    # By distance from the query: 2, 1, 1, 2; the classes have two votes each.
    assert retrieve_classes(unit(1, 2, 3, 4), np.array([2, 1, 1, 2]), unit(0), 4).tolist() == [2]
    assert retrieve_classes(unit(1, 2, 3, 4), np.array([1, 2, 2, 1]), unit(0), 4).tolist() == [1]


def test_more_neighbours_than_segments_are_all_segments():
    assert retrieve_classes(unit(0, 10, 20), np.array([2, 1, 1]), unit(0), 50).tolist() == [1]


def test_a_query_with_nothing_salient_stays_background():
    assert retrieve_classes(unit(0), np.array([2]), np.zeros((1, 2), dtype=np.float32), 1).tolist() == [0]


def test_a_bank_without_labelled_segments_is_refused():
    with pytest.raises(InputError, match=r"retrieve\.bank has no image with a labelled object"):
        retrieve_classes(unit(0), np.array([0]), unit(0), 1)


def segments(names: str, embeddings: np.ndarray, *on_segment: tuple[int, int, int, int]) -> Segments:
    """Segments of images a, b, ... with these pixels of every class on them, and 10 of background around each."""
    around = [(10, 0, 0, 0)] * len(on_segment)
    return Segments(list(names), embeddings, np.stack([around, on_segment], axis=1))


def test_scores_are_named_after_how_many_classes_are_kept():
    names = ["background", *"abcdefghijkl"]
    assert list(class_subsets(names, [])) == ["all_classes"]
    subsets = class_subsets(names, list("gfedcba"))
    assert {name: kept.tolist() for name, kept in subsets.items()} == {
        "all_classes": list(range(13)),
        "seven_classes": [1, 2, 3, 4, 5, 6, 7],
    }
    assert list(class_subsets(names, list("abcdefghijk")))[1] == "11_classes"


@pytest.mark.parametrize("name", ["zebra", "background"])
def test_a_kept_class_that_is_no_object_class_is_refused(name: str):
    message = f"retrieve.kept_classes names {name}, but the object classes are cat, dog, cow; keep some of these"
    with pytest.raises(InputError, match=message):
        class_subsets(NAMES, ["cat", name])


def test_classes_that_are_not_kept_count_as_ignored_pixels():
    counts = np.array([[[5, 1, 2, 3], [6, 7, 8, 9]]])
    assert only_classes(counts, np.array([1, 3])).tolist() == [[[5, 1, 0, 3], [6, 7, 0, 9]]]


def test_the_score_of_all_classes_is_the_mean_over_all():
    # Query a (8 cat, 2 background) is nearest to a dog, query b (10 dog) to a cat that shows more dog than cow.
    bank = segments("uv", unit(0, 90), (0, 0, 9, 0), (0, 6, 5, 0))
    queries = segments("ab", unit(5, 80), (2, 8, 0, 0), (0, 0, 10, 0))
    confusion = retrieval_confusion(bank, queries, np.arange(4), 1)
    assert confusion.tolist() == [[20, 0, 0, 0], [0, 0, 10, 0], [2, 8, 0, 0], [0, 0, 0, 0]]
    scores = retrieval_scores(confusion, np.arange(4))
    assert scores == {"miou": pytest.approx(100 * (20 / 22) / 4), "accuracy": pytest.approx(100 * 20 / 40)}


def test_the_score_of_kept_classes_ignores_the_others_in_bank_and_queries_and_leaves_background_out():
    # Without cats the second segment of the bank is a dog, and the pixels of cat in query a do not count.
    bank = segments("uv", unit(0, 90), (0, 0, 9, 0), (0, 6, 5, 0))
    queries = segments("ab", unit(5, 80), (2, 8, 0, 0), (0, 0, 10, 0))
    kept = np.array([2, 3])
    confusion = retrieval_confusion(bank, queries, kept, 1)
    assert confusion.tolist() == [[20, 0, 0, 0], [0, 0, 0, 0], [2, 0, 10, 0], [0, 0, 0, 0]]
    # Dog has 10 of 12 pixels; cow has none and counts with 0.
    assert class_iou(confusion)[2] == pytest.approx(10 / 12)
    assert retrieval_scores(confusion, kept) == {"miou": pytest.approx(500 / 12), "accuracy": pytest.approx(3000 / 32)}


def test_a_bank_without_a_kept_class_is_refused():
    bank = segments("u", unit(0), (0, 6, 0, 0))
    with pytest.raises(InputError, match=r"retrieve\.bank has no image with a labelled object"):
        retrieval_confusion(bank, bank, np.array([2]), 1)


def test_examples_are_spread_over_the_classes_in_the_order_of_images():
    classes = np.array([0, 2, 1, 2, 1, 3, 2])
    assert spread_over_classes(classes, 3).tolist() == [2, 1, 5]
    assert spread_over_classes(classes, 5).tolist() == [2, 1, 5, 4, 3]
    assert spread_over_classes(classes, 99).tolist() == [2, 1, 5, 4, 3, 6]
    assert spread_over_classes(classes, 2).tolist() == [2, 5]
    assert spread_over_classes(np.array([0, 0]), 3).tolist() == []


def test_a_row_of_examples_is_a_query_and_its_nearest_labelled_segments():
    bank = segments("uvw", unit(0, 90, 30), (0, 0, 9, 0), (0, 6, 5, 0), (5, 0, 0, 0))
    queries = segments("ab", unit(40, 80), (2, 8, 0, 0), (9, 0, 0, 0))
    assert list(example_rows(bank, queries, 5, 7)) == [[("a", 1), ("u", 2), ("v", 1)]]
    assert list(example_rows(bank, queries, 5, 1)) == [[("a", 1), ("u", 2)]]
