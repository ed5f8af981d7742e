"""Small parts of masks are removed, and what is left is measured (MaskContrast, section 3.1)."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Integer
from scipy import ndimage
from skimage.measure import label

from pipeline.history import History
from pipeline.mask_store import MaskStore
from pipeline.params import ExtractMasks

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
FOUR_NEIGHBOURS = ndimage.generate_binary_structure(2, 1)


def area_fractions(masks: MaskStore) -> Float64[np.ndarray, " n"]:
    """Area of every mask as a fraction of its image; of a rejected one what was found before."""
    return masks.area / (masks.height.astype(np.int64) * masks.width)


def area_histogram(areas: Float64[np.ndarray, " m"], bins: int = 20) -> History:
    """How many masks have an area in each of `bins` equal ranges from 0 to 1; the last one includes 1."""
    rows = History()
    counts, edges = np.histogram(areas, bins=bins, range=(0, 1))
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        rows.add(area_from=float(low), area_to=float(high), images=int(count))
    return rows


def clean_mask(found: Bool[np.ndarray, "h w"], settings: ExtractMasks) -> Bool[np.ndarray, "h w"]:
    """The pixels that are left when small parts are gone.

    These are connected components below `min_component`, or in mode `contours` what the official code removes
    (`without_small_contours`).
    """
    clean = {"components": without_small_components, "contours": without_small_contours}[settings.mode]
    return clean(found, settings.min_component)


def without_small_components(mask: Bool[np.ndarray, "h w"], least: float) -> Bool[np.ndarray, "h w"]:
    """The 8-connected components that cover at least the fraction `least` of the image."""
    return large_objects(components(mask), least) > 0


def components(mask: Bool[np.ndarray, "h w"]) -> Integer[np.ndarray, "h w"]:
    """The 8-connected components of the mask, numbered from 1."""
    return _regions(mask, connectivity=2)


def large_objects(objects: Integer[np.ndarray, "h w"], least: float) -> Integer[np.ndarray, "h w"]:
    """The map without the objects that cover less than the fraction `least` of the image; numbers stay."""
    kept = np.bincount(objects.ravel()) / objects.size >= least
    kept[0] = False
    return np.where(kept[objects], objects, 0)


def without_small_contours(mask: Bool[np.ndarray, "h w"], least: float) -> Bool[np.ndarray, "h w"]:
    """The mask after clearing the inside of every contour that encloses less than `least` of the image.

    Contours are the outer boundaries of components and the boundaries of their holes. The boundary of a hole
    runs on the object, so that a small hole is not filled but widened by one pixel.
    """
    cleaned = mask.copy()
    for window, inside in _contours(mask):
        if inside.sum() / mask.size < least:
            cleaned[window] &= ~inside
    return cleaned


def _contours(mask: np.ndarray) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
    """Each contour as a window of the image and the pixels in it on or inside the contour."""
    # Object and background cannot both be 8-connected: what surrounds an object leaks through no diagonal.
    objects = components(mask)
    for k, window in enumerate(ndimage.find_objects(objects), start=1):
        yield window, _filled(objects[window] == k, FOUR_NEIGHBOURS)
    # The frame makes one region of all ground that reaches the border; it is the first, and no hole.
    ground = _regions(np.pad(~mask, 1, constant_values=True), connectivity=1)[1:-1, 1:-1]
    for k, window in enumerate(ndimage.find_objects(ground)[1:], start=2):
        wider = tuple(slice(side.start - 1, side.stop + 1) for side in window)
        hole = _filled(ground[wider] == k, EIGHT_NEIGHBOURS)
        yield wider, ndimage.binary_dilation(hole, FOUR_NEIGHBOURS)


def _regions(mask: np.ndarray, connectivity: int) -> np.ndarray:
    """Regions numbered from 1 in raster order; connectivity 1 joins 4 neighbours, 2 joins 8."""
    return np.asarray(label(mask, connectivity=connectivity))


def _filled(region: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    return np.asarray(ndimage.binary_fill_holes(region, neighbours))
