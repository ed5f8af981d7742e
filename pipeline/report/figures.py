"""Figures of the report as PNG files, the same bytes for the same numbers."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from matplotlib.figure import Figure
from scipy import ndimage

from pipeline.images.palette import voc_palette

IGNORED = 255
# Borders and other ignored pixels are drawn in white.
COLOURS = voc_palette()
COLOURS[IGNORED] = 255
DRAWN_BEFORE = {"saliency_maps.png": "score_saliency/maps.png", "neighbours.png": "retrieve/neighbours.png"}


class Overlay(NamedTuple):
    """One row of the overlay figure: image, its mask, its label map named by clusters, and the ground truth.

    There is no mask (None) where another set was pretrained on, and no ground truth where nobody has drawn it.
    """

    image_id: str
    image: UInt8[np.ndarray, "h w 3"]
    mask: Bool[np.ndarray, "h w"] | None
    predicted: UInt8[np.ndarray, "h w"]
    truth: UInt8[np.ndarray, "h w"] | None


class MapRow(NamedTuple):
    """One row of the figure of saliency maps: the image, its maps in [0, 1] by source, and the ground truth."""

    image_id: str
    image: UInt8[np.ndarray, "h w 3"]
    maps: Mapping[str, Float[np.ndarray, "h w"]]
    truth: UInt8[np.ndarray, "h w"]


class ShownSegment(NamedTuple):
    """One picture of the sheet of retrieved segments: an image, its predicted foreground, and that one's class."""

    image_id: str
    image: UInt8[np.ndarray, "h w 3"]
    foreground: Bool[np.ndarray, "h w"]
    label: int


def painted(image: UInt8[np.ndarray, "h w 3"], labels: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """The image dimmed to grey, with every class but background in its colour over it, outlined in white.

    Without an outline one would not see cars, whose colour among VOC's is grey. Ignored borders are one already.
    """
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    coloured = np.where((labels > 0)[..., None], 0.3 * grey + 0.7 * COLOURS[labels], 0.6 * grey + 60)
    highest = ndimage.maximum_filter(labels, 3)
    outline = (labels > 0) & (highest < IGNORED) & (ndimage.minimum_filter(labels, 3) < highest)
    return np.where(outline[..., None], 255, coloured).astype(np.uint8)


def dimmed(image: UInt8[np.ndarray, "h w 3"], foreground: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """The image in its colours on the foreground, and in pale grey around it."""
    grey = 0.4 * image.mean(axis=2, keepdims=True) + 130
    return np.where(foreground[..., None], image, grey).astype(np.uint8)


def copy_figures(results: Path, plots: Path) -> None:
    """Put the figures that other stages have drawn, as far as they had anything to draw, beside the report's own."""
    for name, drawn in DRAWN_BEFORE.items():
        if (results / drawn).exists():
            shutil.copy(results / drawn, plots / name)


def save_overlays(rows: Sequence[Overlay], classes: Sequence[str], path: Path) -> None:
    """One row an image: image, mask, clusters, ground truth where there is any; what the colours mean as a legend."""
    scored = any(row.truth is not None for row in rows)
    titles = ("mask", "clusters, named", "ground truth") if scored else ("mask", "clusters")
    figure = Figure(figsize=(2 * len(titles) + 2, 2 * len(rows) + 0.6), layout="constrained")
    axes = figure.subplots(len(rows), len(titles) + 1, squeeze=False)
    for row, overlay in zip(axes, rows, strict=True):
        mask = None if overlay.mask is None else overlay.mask.astype(np.uint8) * 2
        pictures = [None if m is None else painted(overlay.image, m) for m in (mask, overlay.predicted, overlay.truth)]
        for axis, picture in zip(row, (overlay.image, *pictures[: len(titles)]), strict=True):
            if picture is not None:
                axis.imshow(picture)
            axis.set_axis_off()
        row[0].set_title(overlay.image_id, fontsize=7, loc="left", pad=2)
    for axis, title in zip(axes[0][1:], titles, strict=True):
        axis.set_title(title, fontsize=9)
    drawn = [map_ for row in rows for map_ in (row.predicted, row.truth) if map_ is not None]
    shown = sorted({int(c) for map_ in drawn for c in np.unique(map_)} - {0, IGNORED})
    patches = [mpl.patches.Patch(color=COLOURS[c] / 255, label=classes[c]) for c in shown]  # type: ignore[attr-defined]
    figure.legend(handles=patches, loc="outside lower center", ncols=7, fontsize=8, frameon=False)
    _save(figure, path)


def save_maps(rows: Sequence[MapRow], path: Path) -> None:
    """One row an image: the image, the map of every source from black to white, ground truth (grey where ignored).

    Without any row there is no file.
    """
    if not rows:
        return
    titles = ["", *rows[0].maps, "ground truth"]
    figure = Figure(figsize=(1.1 * len(titles), 1.1 * len(rows) + 0.3), layout="constrained")
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        truth = np.where(row.truth == IGNORED, 0.5, row.truth > 0)
        for axis, picture in zip(line, (row.image, *row.maps.values(), truth), strict=True):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
            axis.set_axis_off()
        line[0].set_title(row.image_id, fontsize=5, loc="left", pad=2)
    for axis, title in zip(axes[0][1:], titles[1:], strict=True):
        axis.set_title(title.replace("_", "\n", 1), fontsize=7)
    _save(figure, path)


def save_neighbours(rows: Sequence[Sequence[ShownSegment]], classes: Sequence[str], path: Path) -> None:
    """One row a query: its segment, then the segments nearest to it, each over the name of its class.

    The image around a segment is grey. A segment of another class than the query's is named in red.
    Without any row there is no file.
    """
    if not rows:
        return
    columns = len(rows[0])
    figure = Figure(figsize=(1.3 * columns, 1.4 * len(rows) + 0.3), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for axis, segment in zip(line, row, strict=True):
            axis.imshow(dimmed(segment.image, segment.foreground))
            axis.set_xticks([])
            axis.set_yticks([])
            colour = "black" if segment.label == row[0].label else "red"
            axis.set_xlabel(classes[segment.label], fontsize=8, labelpad=2, color=colour)
            axis.spines[:].set_color(colour)
        line[0].spines[:].set_linewidth(2)
    for axis, title in zip(axes[0], ["query", *(f"nearest {i}" for i in range(1, columns))], strict=True):
        axis.set_title(title, fontsize=8)
    _save(figure, path)


def save_confusion(pixels: Int[np.ndarray, "k c"] | None, classes: Sequence[str], path: Path) -> None:
    """The confusion matrix (rows predicted, columns true), each true class scaled to 100 percent; no file for None."""
    if pixels is None:
        return
    shares = 100 * pixels.T / np.maximum(pixels.sum(axis=0), 1)[:, None]
    side = 2 + 0.35 * len(classes)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    axis.set_xticks(range(len(classes)), classes, rotation=90)
    axis.set_yticks(range(len(classes)), classes)
    axis.set_xlabel("cluster, named by the matching")
    axis.set_ylabel("ground truth")
    figure.colorbar(image, ax=axis, label="percent of the class's pixels")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    # Without this matplotlib writes its version into the file.
    figure.savefig(path, dpi=110, metadata={"Software": None})
