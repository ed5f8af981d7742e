import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.metrics.confusion import Confusion, class_iou, iou_matrix, known_columns, mean_iou, pixel_accuracy


def test_counts_of_a_small_map_are_those_worked_out_by_hand():
    confusion = Confusion(2, 3)
    confusion.add(np.array([[0, 0, 1], [1, 1, 0]]), np.array([[0, 2, 1], [1, 255, 255]], dtype=np.uint8))
    assert confusion.counts.tolist() == [[1, 0, 1], [0, 2, 0]]


def test_images_of_different_sizes_add_up():
    confusion = Confusion(2, 2)
    confusion.add(np.array([[1]], dtype=np.uint8), np.array([[1]], dtype=np.uint8))
    confusion.add(np.array([[0, 1]], dtype=np.uint8), np.array([[0, 0]], dtype=np.uint8))
    assert confusion.counts.tolist() == [[1, 0], [1, 1]]


def test_counts_equal_a_naive_loop_with_more_rows_than_a_byte_holds():
    rng = np.random.default_rng(0)
    predicted = rng.integers(0, 500, (40, 30))
    labels = rng.choice(np.array([0, 1, 2, 255], dtype=np.uint8), (40, 30))
    confusion = Confusion(500, 3)
    confusion.add(predicted, labels)
    naive = [[((predicted == row) & (labels == column)).sum() for column in range(3)] for row in range(500)]
    assert confusion.counts.tolist() == naive


def test_a_label_without_a_name_is_refused():
    with pytest.raises(InputError, match="holds class 7 but only 3 classes are named"):
        Confusion(3, 3).add(np.zeros((1, 2), dtype=np.uint8), np.array([[0, 7]], dtype=np.uint8))


@pytest.mark.parametrize("shape", [(3, 2), (1, 3), (2, 1)])
def test_a_prediction_of_another_size_is_refused_even_where_it_could_be_repeated(shape: tuple[int, int]):
    with pytest.raises(InputError, match=r"size \(2, 3\) cannot be scored with labels of size .*; resize"):
        Confusion(3, 3).add(np.zeros((2, 3), dtype=np.uint8), np.zeros(shape, dtype=np.uint8))


def test_counts_of_the_known_classes_do_not_keep_all_columns_in_memory():
    counts = known_columns(np.zeros((2, 256), dtype=np.int64), 3, "a label map")
    assert counts.shape == (2, 3)
    assert counts.base is None


def test_iou_by_hand():
    # Rows sum to 5, 4, 3 and columns to 4, 4, 4: IoU 3/6, 2/6, 2/5.
    confusion = np.array([[3, 1, 1], [1, 2, 1], [0, 1, 2]])
    assert class_iou(confusion) == pytest.approx([3 / 6, 2 / 6, 2 / 5])
    assert iou_matrix(confusion)[0] == pytest.approx([3 / 6, 1 / 8, 1 / 8])
    assert mean_iou(confusion) == pytest.approx((3 / 6 + 2 / 6 + 2 / 5) / 3)
    assert pixel_accuracy(confusion) == pytest.approx(7 / 12)


def test_an_absent_class_lowers_the_mean():
    assert mean_iou(np.array([[5, 0, 0], [0, 5, 0], [0, 0, 0]])) == pytest.approx(2 / 3)


def test_no_pixels_score_zero():
    assert (mean_iou(np.zeros((2, 2), dtype=np.int64)), pixel_accuracy(np.zeros((2, 2), dtype=np.int64))) == (0, 0)
