import numpy as np
import pytest

from pipeline.metrics.confusion import Confusion
from pipeline.metrics.masks import mask_scores


def test_mask_scores_by_hand():
    confusion = Confusion(2, 2)
    confusion.add(np.array([[1, 1, 1, 0]], dtype=np.uint8), np.array([[1, 1, 0, 1]], dtype=np.uint8))
    assert mask_scores(confusion) == pytest.approx({"iou": 2 / 4, "precision": 2 / 3, "recall": 2 / 3})
