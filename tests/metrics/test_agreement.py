from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.metrics.agreement import adjusted_rand_index, normalized_mutual_information

CONTINGENCY = np.array([[5, 1, 0], [1, 4, 0], [0, 0, 3], [0, 1, 1]])


def plain_nmi(confusion: np.ndarray) -> float:
    """By the definitions, one term a cell; mutual information over the arithmetic mean of the entropies."""
    total = confusion.sum()
    rows, columns = confusion.sum(axis=1) / total, confusion.sum(axis=0) / total
    mutual = sum(p * np.log(p / (rows[i] * columns[j])) for (i, j), p in np.ndenumerate(confusion / total) if p > 0)
    entropies = (-sum(p * np.log(p) for p in marginal if p > 0) for marginal in (rows, columns))
    return mutual / (sum(entropies) / 2)


def plain_ari(confusion: np.ndarray) -> float:
    """By counting pairs of items: both together, by cluster and by class."""
    items = [cell for cell, count in np.ndenumerate(confusion) for _ in range(count)]
    pairs = list(combinations(items, 2))
    cluster = [a[0] == b[0] for a, b in pairs]
    klass = [a[1] == b[1] for a, b in pairs]
    together = sum(c and k for c, k in zip(cluster, klass, strict=True))
    chance = sum(cluster) * sum(klass) / len(pairs)
    return (together - chance) / ((sum(cluster) + sum(klass)) / 2 - chance)


def test_both_equal_a_count_by_definition():
    assert normalized_mutual_information(CONTINGENCY) == pytest.approx(plain_nmi(CONTINGENCY), rel=1e-12)
    assert adjusted_rand_index(CONTINGENCY) == pytest.approx(plain_ari(CONTINGENCY), rel=1e-12)


@given(arrays.arrays(np.int64, (3, 4), elements=st.integers(0, 6)).filter(lambda m: (m.sum(1) > 0).sum() > 1))
def test_both_equal_a_count_by_definition_on_any_small_matrix(confusion: np.ndarray):
    assert normalized_mutual_information(confusion) == pytest.approx(plain_nmi(confusion), abs=1e-12)
    if (confusion.sum(1) > 1).any():  # else every item is a cluster of its own
        assert adjusted_rand_index(confusion) == pytest.approx(plain_ari(confusion), abs=1e-12)


def test_values_of_a_matrix_worked_out_by_hand():
    # Six items: clusters of 3 and 3, classes of 3 and 3, two off the diagonal. Pairs 15; together 1 + 1 = 2 of 6 and 6,
    # by chance 36 / 15 = 2.4: (2 - 2.4) / (6 - 2.4).
    confusion = np.array([[2, 1], [1, 2]])
    assert adjusted_rand_index(confusion) == pytest.approx(-1 / 9)
    # Entropies are log 2 each, that of the cells is (2/3) log 3 + (1/3) log 6.
    joint = 2 / 3 * np.log(3) + 1 / 3 * np.log(6)
    assert normalized_mutual_information(confusion) == pytest.approx((2 * np.log(2) - joint) / np.log(2))


def test_the_names_of_clusters_do_not_matter_and_a_perfect_partition_has_one():
    perfect = np.array([[0, 7, 0], [4, 0, 0], [0, 0, 0], [0, 0, 2]])
    for score in (normalized_mutual_information, adjusted_rand_index):
        assert score(perfect) == pytest.approx(1, rel=1e-15)
        assert score(CONTINGENCY[::-1]) == pytest.approx(score(CONTINGENCY), rel=1e-15)


def test_independent_partitions_have_none_and_a_single_group_tells_nothing():
    for score in (normalized_mutual_information, adjusted_rand_index):
        assert score(np.array([[50, 30], [0, 0]])) == 0
        assert score(np.array([[50, 0], [0, 0]])) == 1
        assert score(np.zeros((2, 2), dtype=np.int64)) == 0
    assert normalized_mutual_information(np.array([[50, 30], [100, 60]])) == pytest.approx(0, abs=1e-15)


def test_the_rand_index_is_exact_where_pair_counts_leave_64_bits():
    large = np.array([[2, 1], [1, 2]]) << 40
    # Pairs in units of 2^80: together 5, by cluster and by class 9, of 18, so by chance 4.5: (5 - 4.5) / (9 - 4.5).
    assert adjusted_rand_index(large) == pytest.approx(1 / 9, rel=1e-11)
