import numpy as np
import pytest

from pipeline.masks.regions import colour_graph, hierarchical_regions
from pipeline.params import Regions

# Four plain areas; what they are away from their common borders, where smoothing makes slivers.
QUARTERS = np.kron(np.array([[0, 1], [2, 3]]), np.ones((20, 30), dtype=int))
CORES = np.s_[4::20, 4::30]
IMAGE = np.repeat(np.array([50, 60, 200, 120], dtype=np.uint8)[QUARTERS][..., None], 3, axis=-1)


def regions(merge_below: float) -> np.ndarray:
    return hierarchical_regions(IMAGE, Regions(scale=10.0, merge_below=merge_below))


def test_without_merging_every_plain_area_is_a_region_of_its_own() -> None:
    assert len(np.unique(regions(0.0)[CORES])) == 4


def test_the_most_similar_neighbours_are_merged_first() -> None:
    # Lightness 21, 25, 81 and 50: first the two darkest, then 50 with their mean of 23, 27 away, not with 81.
    for merge_below, merged in ((6.0, [[1, 1], [3, 2]]), (29.0, [[1, 1], [2, 1]]), (100.0, [[1, 1], [1, 1]])):
        found = regions(merge_below)
        assert found[CORES].tolist() == merged
        assert sorted(np.unique(found)) == list(range(1, np.max(merged) + 1))


def test_edges_weigh_the_distance_of_mean_lab_colours() -> None:
    graph = colour_graph(np.array([[[0, 0, 0], [255, 255, 255], [119, 119, 119]]], np.uint8), np.array([[0, 1, 2]]))
    # Lightness 0, 100 and 50.03; the ends do not touch.
    weights = {(int(one), int(other)): round(weight) for one, other, weight in graph.edges.data("weight")}
    assert weights == {(0, 1): 100, (1, 2): 50}


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 3)])
def test_an_image_of_one_colour_is_one_region(size: tuple[int, int]) -> None:
    found = hierarchical_regions(np.full((*size, 3), 90, np.uint8), Regions(scale=10.0, merge_below=1.0))
    assert np.array_equal(found, np.ones(size))
