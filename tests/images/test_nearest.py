import numpy as np

from pipeline.images.nearest import nearest


def test_resized_labels_keep_their_classes() -> None:
    labels = np.array([[0, 7], [255, 3]], dtype=np.uint8)
    assert nearest(labels, (2, 4)).tolist() == [[0, 0, 7, 7], [255, 255, 3, 3]]
    assert nearest(nearest(labels, (6, 4)), (2, 2)).tolist() == labels.tolist()


def test_foregrounds_stay_boolean_and_regions_whole_numbers() -> None:
    assert nearest(np.array([[True, False]]), (1, 4)).tolist() == [[True, True, False, False]]
    assert nearest(np.array([[300, 70000]], dtype=np.int32), (2, 2)).tolist() == [[300, 70000], [300, 70000]]
