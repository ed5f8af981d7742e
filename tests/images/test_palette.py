"""Label maps in the colours of PASCAL VOC."""

import io

import numpy as np
from PIL import Image

from pipeline.images.codecs import decode_labels
from pipeline.images.palette import encode_labels, voc_palette


def test_palette_is_that_of_pascal_voc():
    palette = voc_palette()
    assert palette[[0, 1, 2, 8, 20, 255]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [64, 0, 0],
        [0, 64, 128],
        [224, 224, 192],
    ]


def test_labels_survive_and_show_their_colours():
    labels = np.array([[0, 1, 255], [5, 2, 0]], np.uint8)
    data = encode_labels(labels)
    assert decode_labels(data).tolist() == labels.tolist()
    with Image.open(io.BytesIO(data)) as image:
        assert np.asarray(image.convert("RGB")).tolist() == voc_palette()[labels].tolist()
