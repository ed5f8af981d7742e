"""The sample on one page."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.images.contact_sheet import COLUMNS, GAP, contact_sheet, overlaid
from pipeline.images.sample import sample_files
from pipeline.params import DrawSample


def test_sheet_shows_proposals_and_pairs_of_image_and_labels(tmp_path: Path):
    sizes = DrawSample(size=32, proposal=4, benchmark=1, train=2, trainaug=3, val=2)
    for path, data in sample_files(0, sizes):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    # 4 proposals and 2 tiles for each of the 4 images of train and val: two rows of ten.
    assert contact_sheet(tmp_path).size == (COLUMNS * (32 + GAP), 2 * (32 + GAP))


def test_background_stays_and_objects_take_the_colour_of_their_label():
    image = Image.new("RGB", (2, 1), (100, 100, 100))
    shown = np.asarray(overlaid(image, Image.fromarray(np.array([[0, 2]], np.uint8))))
    assert shown[0, 0].tolist() == [100, 100, 100]
    # 0.4 of the image and 0.6 of label 2, (0, 128, 0).
    assert np.abs(shown[0, 1].astype(int) - (40, 117, 40)).max() <= 1


def test_a_folder_without_a_sample_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="holds no drawn sample"):
        contact_sheet(tmp_path)
