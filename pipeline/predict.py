"""Predict the objects of images, and their clusters, with a finished model: `python -m pipeline.predict MODEL INPUT...`

MODEL is a file `models/predictor.pt`, which the stage `bundle_predictor` makes; INPUT are images and folders of them.
Nothing else is needed, neither params.yaml nor DVC. The exit status is 0, 1 when bad input left nothing written, or 3
when predictions were written but some images could not be read.
"""

import hashlib
import logging
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch

from pipeline.cluster_names import ClusterNames, read_table, write_table
from pipeline.contrast.objects import WHOLE, ObjectRule, find_objects
from pipeline.contrast.predictor import Predictor, load_predictor
from pipeline.errors import InputError
from pipeline.images.packing import TURNED
from pipeline.predictions.arguments import parser_of
from pipeline.predictions.coco import CocoImage, coco_image, write_coco
from pipeline.predictions.folder import TABLE, replacing_folder, require_writable
from pipeline.predictions.photos import Opened, Photo, Skipped, find_photos, open_photo
from pipeline.predictions.record import (
    PredictedObject,
    Prediction,
    at_original_size,
    overlay_of,
    rows_of,
    save_pictures,
    write_objects,
)
from pipeline.predictions.voc import save_voc, write_voc_lists
from pipeline.progress import track
from pipeline.runtime import device, workers

log = logging.getLogger("maskcontrast.predict")

SOME_SKIPPED = 3
# Threads that decode and encode images, at least, and how many images may wait on either side of the network.
THREADS, WAITING = 2, 8

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Options:
    """How to predict: tiles a batch, when to cut an image into tiles, what an object is, what to write."""

    batch: int = 16
    tile_pixels: int = 0
    rule: ObjectRule = WHOLE
    formats: tuple[str, ...] = ()
    copy_images: bool = False
    report: bool = False


def predict(
    predictor: Predictor, photos: Sequence[Photo], options: Options, on: torch.device, pool: Executor
) -> Iterator[Prediction | Skipped]:
    """The prediction of every photo, in order; what cannot be read is skipped."""
    predictor, turned = predictor.on(on), 0
    opened = _ahead(pool, lambda photo: open_photo(photo, predictor.size, options.tile_pixels), photos)
    for batch in _batches(opened, options.batch):
        images = [image for image in batch if isinstance(image, Opened)]
        tiles, turned = [image.tiles for image in images], turned + sum(image.turned for image in images)
        found = iter(find_objects(predictor, tiles, options.rule, options.batch, on) if images else [])
        for image in batch:
            yield image if isinstance(image, Skipped) else at_original_size(image, *next(found))
    if turned:
        log.warning(TURNED, turned)


def _ahead(pool: Executor, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`function` of all items in their order, of which some are under way before they are asked for."""
    under_way: deque[Future[R]] = deque()
    for item in items:
        under_way.append(pool.submit(function, item))
        if len(under_way) > WAITING:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


def _batches(opened: Iterable[Opened | Skipped], tiles: int) -> Iterator[list[Opened | Skipped]]:
    """Images in order, as few as have this number of tiles together."""
    batch: list[Opened | Skipped] = []
    for image in opened:
        batch.append(image)
        if sum(each.tiles.shape[0] * each.tiles.shape[1] for each in batch if isinstance(each, Opened)) >= tiles:
            yield batch
            batch = []
    if batch:
        yield batch


@dataclass(frozen=True)
class Saved:
    """What is left of a prediction once its pictures are written; height and width are those of the image."""

    photo: Photo
    height: int
    width: int
    objects: list[PredictedObject]
    coco: CocoImage | None


def save(folder: Path, prediction: Prediction, naming: ClusterNames, options: Options) -> Saved:
    """Write all that concerns this image alone."""
    save_pictures(folder, prediction)
    if "voc" in options.formats:
        save_voc(folder / "voc", prediction, naming, options.copy_images)
    coco = coco_image(prediction, naming) if "coco" in options.formats else None
    opened = prediction.opened
    return Saved(opened.photo, opened.height, opened.width, prediction.objects, coco)


def predict_into(
    folder: Path, predictor: Predictor, photos: Sequence[Photo], options: Options
) -> tuple[list[Saved], list[Skipped]]:
    """Write the predictions of all photos into an empty folder; returns what was written and what was skipped.

    InputError when nothing could be read.
    """
    saved: list[Saved] = []
    skipped: list[Skipped] = []
    threads = max(THREADS, workers())
    with ThreadPoolExecutor(threads) as reading, ThreadPoolExecutor(threads) as writing:
        found = predict(predictor, photos, options, device(), reading)

        def keep(each: Prediction | Skipped) -> Saved | Skipped:
            return each if isinstance(each, Skipped) else save(folder, each, predictor.naming, options)

        for each in track(_ahead(writing, keep, found), "predicting", len(photos)):
            if isinstance(each, Skipped):
                skipped.append(each)
                log.warning("skipped: %s", each.reason)
            else:
                saved.append(each)
    if not saved:
        raise InputError(f"none of {len(photos)} images can be read; the first: {skipped[0].reason}")
    write_tables(folder, saved, predictor.naming, options)
    return saved, skipped


def write_tables(folder: Path, saved: Sequence[Saved], naming: ClusterNames, options: Options) -> None:
    """Write what concerns all images together."""
    write_table(folder / "names.csv", naming)
    if "voc" in options.formats:
        write_voc_lists(folder / "voc", sorted(each.photo.image_id for each in saved), naming)
    if "coco" in options.formats:
        write_coco(folder / "coco", [each.coco for each in saved if each.coco is not None], naming)
    write_objects(folder / TABLE, (row for each in saved for row in rows_of(each.photo, each.objects, naming)))


def write_report(
    folder: Path,
    saved: Sequence[Saved],
    skipped: Sequence[Skipped],
    naming: ClusterNames,
    used: Sequence[tuple[str, str]],
) -> None:
    """Write the page that shows what was predicted, and what was `used` for it."""
    # Only here, since what draws a page takes longer to load than all else.
    from pipeline.report.page.predicted import Found, Predicted, save_predicted_page

    found = [
        Found(each.photo.name, o.cluster, o.confidence, o.area / (each.height * each.width), _shares(o.box, each))
        for each in saved
        for o in each.objects
    ]
    overlays = {each.photo.name: overlay_of(folder, each.photo) for each in saved}
    missed = [(str(each.photo.path), each.reason) for each in skipped]
    save_predicted_page(folder / "report.html", Predicted(used, naming, overlays, found, missed))


def _shares(box: tuple[int, int, int, int], image: Saved) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a box (x, y, width, height) as fractions of its image."""
    x, y, width, height = box
    return x / image.width, y / image.height, (x + width) / image.width, (y + height) / image.height


def used_for(model: Path, predictor: Predictor, names: Path | None, options: Options) -> list[tuple[str, str]]:
    """What predictions are made with, by name."""
    with model.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    whole = "all that is salient in an image"
    parts = f"each connected part of {options.rule.min_area:g} of the image or more"
    tiles = f"of images of more than {options.tile_pixels:,} pixels" if options.tile_pixels else "none"
    return [
        ("model", str(model)),
        ("its SHA-256", digest),
        ("clusters", str(len(predictor.centroids))),
        ("names of clusters", "the model's own" if names is None else str(names)),
        ("an object is", whole if options.rule.kind == "whole" else parts),
        ("tiles", tiles),
    ]


def run(model: Path, inputs: Sequence[Path], out: Path, options: Options, names: Path | None, overwrite: bool) -> int:
    """Predict on all images of the inputs into the folder `out`, whole or not at all; returns how many were skipped."""
    require_writable(out, inputs, overwrite)
    predictor = load_predictor(model)
    if names is not None:
        predictor = replace(predictor, naming=read_table(names, len(predictor.naming.names)))
    photos = find_photos(inputs, out)
    with replacing_folder(out) as folder:
        saved, skipped = predict_into(folder, predictor, photos, options)
        if options.report:
            write_report(folder, saved, skipped, predictor.naming, used_for(model, predictor, names, options))
    log.info("predicted on %d images -> %s", len(photos) - len(skipped), out)
    if skipped:
        log.error("%d of %d images were skipped: %s", len(skipped), len(photos), _listed(skipped))
    return len(skipped)


def _listed(skipped: Sequence[Skipped], most: int = 5) -> str:
    names = ", ".join(str(each.photo.path) for each in skipped[:most])
    return f"{names}, ..." if len(skipped) > most else names


def main(arguments: list[str]) -> int:
    """Command line, as `--help` tells."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = parser_of(__doc__ or "")
    given = parser.parse_args(arguments)
    if given.copy_images and "voc" not in given.format:
        parser.error("--copy-images is for --format voc; add it")
    rule = ObjectRule(given.objects, given.min_area)
    options = Options(given.batch, given.tile_pixels, rule, tuple(given.format), given.copy_images, given.report)
    try:
        skipped = run(given.model, given.inputs, given.out, options, given.names, given.overwrite)
    except (InputError, OSError) as error:
        log.error("error: %s", error)
        return 1
    except KeyboardInterrupt:
        log.error("interrupted; nothing was written")
        return 130
    return SOME_SKIPPED if skipped else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
