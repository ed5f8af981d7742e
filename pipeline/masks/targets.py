"""What BAS-Net learns from: pseudo-labels, or the ground truth of the same images."""

from pathlib import Path

from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet, MapSet, ObjectSet
from pipeline.params import TrainBasnet


def open_targets(path: Path, images: ImageSet, settings: TrainBasnet) -> MapSet:
    """The maps in [0, 1] to learn from, one for every image; InputError where one has none."""
    if settings.targets_from == "pseudolabels/fused":
        maps = MapSet(path)
        images.require_ids(maps)
        return maps
    objects = ObjectSet(path)
    if objects.ids != images.ids:
        raise InputError(
            f"{path} has label maps of {len(objects)} of the {len(images)} images of {images.path}, and targets_from"
            f" {settings.targets_from} needs all; give pack_images.proposal a layout and a source with masks"
        )
    return objects
