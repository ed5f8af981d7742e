from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.report.figures import (
    MapRow,
    Overlay,
    ShownSegment,
    dimmed,
    painted,
    save_confusion,
    save_maps,
    save_neighbours,
    save_overlays,
)

CLASSES = ["background", "cat", "dog"]


def test_objects_are_coloured_and_outlined_and_background_is_grey() -> None:
    labels = np.zeros((5, 7), dtype=np.uint8)
    labels[1:4, 1:4], labels[1:4, 4:] = 1, 2
    shown = painted(np.full((5, 7, 3), 100, dtype=np.uint8), labels)
    assert shown[0, 0].tolist() == [120, 120, 120]
    assert shown[2, 2].tolist() == [119, 30, 30]
    assert shown[2, 5].tolist() == shown[2, 6].tolist() == [30, 119, 30]
    # Round either object, within it, and where both meet.
    white = (shown == 255).all(axis=2)
    assert white.sum() == 8 + 7 and not white[2, [2, 5, 6]].any() and white[1:4, 3:5].all()
    labels[1:4, 4:] = 255
    white = (painted(np.full((5, 7, 3), 100, dtype=np.uint8), labels) == 255).all(axis=2)
    assert not white[2, 2:4].any() and white[1:4, 1].all()


def test_an_image_without_a_mask_leaves_its_place_empty(tmp_path: Path) -> None:
    labels, dark = np.array([[0, 1], [2, 255]], dtype=np.uint8), {}
    for name, mask in (("mask", labels == 1), ("none", None)):
        row = Overlay("a", np.zeros((2, 2, 3), dtype=np.uint8), mask, labels, labels)
        save_overlays([row], ["background", "cat", "dog"], tmp_path / "rows.png")
        dark[name] = (np.asarray(Image.open(tmp_path / "rows.png").convert("L")) < 100).sum()
    # A quarter of four panels is dark in both, and the three dimmed pixels of the mask's panel in one.
    assert dark["none"] < 0.9 * dark["mask"]


def test_a_segment_keeps_its_colours_and_its_surroundings_turn_pale() -> None:
    image = np.full((1, 2, 3), (90, 0, 0), dtype=np.uint8)
    assert dimmed(image, np.array([[True, False]])).tolist() == [[[90, 0, 0], [142, 142, 142]]]


def test_no_segments_leave_no_sheet(tmp_path: Path) -> None:
    save_neighbours([], ["background"], tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


def test_figures_come_out_with_the_same_bytes(tmp_path: Path) -> None:
    labels = np.array([[0, 1], [2, 255]], dtype=np.uint8)
    rows = [Overlay("a", np.zeros((2, 2, 3), dtype=np.uint8), labels == 1, labels, labels)]
    for name in ("first", "second"):
        save_overlays(rows, CLASSES, tmp_path / f"{name}.png")
        grey = np.linspace(0, 1, 4).reshape(2, 2)
        save_maps(
            [MapRow("a", rows[0].image, {"rbd": grey, "prior_mean": grey}, labels)], tmp_path / f"{name}_maps.png"
        )
        segment = ShownSegment("a", rows[0].image, labels > 0, 1)
        save_neighbours([[segment, segment._replace(label=2)]], CLASSES, tmp_path / f"{name}_neighbours.png")
        save_confusion(np.eye(2, dtype=np.int64), ["background", "cat"], tmp_path / f"{name}_confusion.png")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert (tmp_path / "first_confusion.png").read_bytes() == (tmp_path / "second_confusion.png").read_bytes()
    assert (tmp_path / "first_maps.png").read_bytes() == (tmp_path / "second_maps.png").read_bytes()
    assert (tmp_path / "first_neighbours.png").read_bytes() == (tmp_path / "second_neighbours.png").read_bytes()
