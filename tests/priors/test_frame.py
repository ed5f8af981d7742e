import numpy as np
import pytest

from pipeline.priors.frame import frame_widths, without_frame


def photo(height: int = 90, width: int = 120) -> np.ndarray:
    """Smooth shading with noise and a bright disc."""
    rows, columns = np.mgrid[:height, :width]
    grey = 60 + rows / 2 + 90 * ((rows - 40) ** 2 + (columns - 70) ** 2 < 400)
    noise = np.random.default_rng(0).integers(0, 20, (height, width, 3))
    return (grey[..., None] + noise).astype(np.uint8)


def framed(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """The photo with a white border of the given widths drawn over it."""
    image = photo()
    height, width = image.shape[:2]
    inside = image[top : height - bottom, left : width - right].copy()
    image[:] = 255
    image[top : height - bottom, left : width - right] = inside
    return image


def test_a_drawn_border_is_found_with_the_one_pixel_its_edge_spreads_over() -> None:
    assert frame_widths(framed(4, 4, 4, 4)) == (5, 5, 5, 5)


def test_every_side_has_its_own_width() -> None:
    assert frame_widths(framed(2, 6, 3, 4)) == (3, 7, 4, 5)


def test_a_side_where_no_frame_is_seen_takes_the_widest() -> None:
    assert frame_widths(framed(5, 0, 3, 0)) == (6, 6, 4, 6)


@pytest.mark.parametrize("grey", [None, 0, 130])
def test_a_plain_photo_and_a_constant_image_have_no_frame(grey: int | None) -> None:
    image = photo() if grey is None else np.full((90, 120, 3), grey, dtype=np.uint8)
    assert frame_widths(image) == (0, 0, 0, 0)


def test_one_straight_line_along_a_side_is_a_horizon_and_no_frame() -> None:
    assert frame_widths(framed(6, 0, 0, 0)) == (0, 0, 0, 0)


def test_a_line_deeper_than_a_frame_is_left_alone() -> None:
    assert frame_widths(framed(20, 20, 20, 20)) == (0, 0, 0, 0)


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (300, 2), (8, 8)])
def test_no_side_of_a_tiny_or_thin_image_loses_more_than_a_quarter(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    top, bottom, left, right = frame_widths(image)
    assert max(top, bottom) <= shape[0] // 4
    assert max(left, right) <= shape[1] // 4


def test_the_prior_sees_the_inside_and_the_frame_becomes_zero() -> None:
    seen = []

    def prior(image: np.ndarray) -> np.ndarray:
        seen.append(image)
        return np.ones(image.shape[:2], dtype=np.float32)

    image = framed(4, 4, 4, 4)
    saliency = without_frame(image, prior)
    assert (seen[0] == image[5:-5, 5:-5]).all()
    assert saliency[5:-5, 5:-5].min() == 1
    assert saliency.sum() == seen[0].shape[0] * seen[0].shape[1]
