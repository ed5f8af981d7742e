"""From saliency maps to object masks: threshold, removal of small parts, rejection (MaskContrast, section 3.1)."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from scipy import ndimage
from skimage.measure import label

from pipeline.history import History
from pipeline.images.codecs import decode_map, size_of
from pipeline.mask_store import MaskStore
from pipeline.packed import Packed
from pipeline.params import ExtractMasks
from pipeline.progress import track

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
FOUR_NEIGHBOURS = ndimage.generate_binary_structure(2, 1)


def sizes_of(maps: Packed) -> Int64[np.ndarray, "n 2"]:
    """Height and width of every map."""
    return np.array([size_of(maps[i]) for i in range(len(maps))], dtype=np.int64).reshape(-1, 2)


def clean_masks(maps: Packed, settings: ExtractMasks) -> Iterator[Bool[np.ndarray, "_ _"]]:
    """The mask of every map, in order."""
    for i in track(range(len(maps)), "masks", total=len(maps)):
        yield clean_mask(decode_map(maps[i]), settings)


def accepted_areas(masks: MaskStore) -> Float64[np.ndarray, " m"]:
    """Mask area of every image that was not rejected, as a fraction of the image."""
    return (masks.area / (masks.height.astype(np.int64) * masks.width))[~masks.rejected]


def area_histogram(areas: Float64[np.ndarray, " m"], bins: int = 20) -> History:
    """How many masks have an area in each of `bins` equal ranges from 0 to 1; the last one includes 1."""
    rows = History()
    counts, edges = np.histogram(areas, bins=bins, range=(0, 1))
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        rows.add(area_from=float(low), area_to=float(high), images=int(count))
    return rows


def clean_mask(saliency: Float[np.ndarray, "h w"], settings: ExtractMasks) -> Bool[np.ndarray, "h w"]:
    """The object mask of a saliency map in [0, 1]; empty when the image is to be rejected.

    A pixel belongs to the mask when its saliency exceeds `threshold`. Then small parts go: connected components
    below `min_component`, or in mode `contours` what the official code removes (`without_small_contours`).
    A mask whose area is still below `min_area` is rejected. Areas are fractions of the image.
    """
    clean = {"components": without_small_components, "contours": without_small_contours}[settings.mode]
    mask = clean(saliency > settings.threshold, settings.min_component)
    return mask if mask.mean() >= settings.min_area else np.zeros_like(mask)


def without_small_components(mask: Bool[np.ndarray, "h w"], least: float) -> Bool[np.ndarray, "h w"]:
    """The 8-connected components that cover at least the fraction `least` of the image."""
    labels = _regions(mask, connectivity=2)
    kept = np.bincount(labels.ravel()) / mask.size >= least
    kept[0] = False
    return kept[labels]


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
    objects = _regions(mask, connectivity=2)
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
