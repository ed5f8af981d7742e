import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.segmentation.retrieval import retrieve_classes, segment_classes


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
