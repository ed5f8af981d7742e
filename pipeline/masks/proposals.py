"""Object masks of a set from one of three proposals: saliency maps, regions of the images, or files of masks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.images.codecs import decode_image, decode_map
from pipeline.images.folder import files_by_id
from pipeline.mask_store import ObjectMap
from pipeline.masks.cleanup import clean_mask, components, large_objects
from pipeline.masks.mask_files import read_objects, read_provenance
from pipeline.masks.regions import hierarchical_regions
from pipeline.packed import Packed
from pipeline.params import ExtractMasks
from pipeline.progress import track


@dataclass(frozen=True)
class Proposals:
    """Objects proposed for every image: `propose(i)` gives those found, and those left when small ones are gone.

    `metadata` tells where they come from. `rejected`, by id: why an image has no mask.
    """

    propose: Callable[[int], tuple[ObjectMap, ObjectMap]]
    metadata: dict[str, object]
    rejected: dict[str, str] = field(default_factory=dict)


def open_proposals(images: Packed, source: Path, settings: ExtractMasks) -> Proposals:
    """The proposals for `images` in the folder `source`, which `settings.proposal` names below data/.

    Raises InputError where the source does not fit the images.
    """
    kinds = {"saliency": _of_saliency, "images": _of_regions, "raw": _of_files}
    proposals = kinds[settings.proposal.partition("/")[0]](images, source, settings)
    proposals.metadata.update(settings.model_dump(include={"proposal", "components", "min_area"}))
    return proposals


def object_maps(images: Packed, proposals: Proposals, settings: ExtractMasks) -> Iterator[ObjectMap]:
    """The objects of every image, in order; as one where `settings.components` is `merge`.

    An image is rejected when nothing is left of what was found (`empty` where nothing was), or less than `min_area`
    of it (`small`): then the reason enters `proposals.rejected`, and what was found comes in place of a mask.
    """
    for i, image_id in enumerate(track(images.ids, "masks")):
        found, kept = proposals.propose(i)
        area = np.count_nonzero(kept)
        if not area or area / kept.size < settings.min_area:
            proposals.rejected.setdefault(image_id, "small" if found.any() else "empty")
            yield found
        else:
            yield kept if settings.components == "split" else kept > 0


def _of_saliency(images: Packed, source: Path, settings: ExtractMasks) -> Proposals:
    """Where the saliency exceeds the threshold; every connected component is an object."""
    maps = Packed(source / images.path.name, "maps")
    images.require_ids(maps)

    def propose(i: int) -> tuple[ObjectMap, ObjectMap]:
        found = decode_map(maps[i]) > settings.threshold
        return found, components(clean_mask(found, settings))

    return Proposals(propose, maps.metadata | settings.model_dump(include={"threshold", "min_component", "mode"}))


def _of_regions(images: Packed, source: Path, settings: ExtractMasks) -> Proposals:
    """Every region of a hierarchical segmentation that is large enough."""

    def propose(i: int) -> tuple[ObjectMap, ObjectMap]:
        found = hierarchical_regions(decode_image(images[i]), settings.regions)
        return found, large_objects(found, settings.min_component)

    origin = {"estimator": "regions", "supervision": "unsupervised", **settings.regions.model_dump()}
    return Proposals(propose, origin | settings.model_dump(include={"min_component"}))


def _of_files(images: Packed, source: Path, settings: ExtractMasks) -> Proposals:
    """The objects in the file of the image's id, as they are; rejected as `no file` where there is none."""
    files, sizes = files_by_id(source), images.sizes

    def propose(i: int) -> tuple[ObjectMap, ObjectMap]:
        path, (height, width) = files.get(images.ids[i]), sizes[i].tolist()
        objects = read_objects(path) if path else np.zeros((height, width), dtype=np.uint8)
        if objects.shape != (height, width):
            found = "x".join(map(str, reversed(objects.shape)))
            raise InputError(f"{path} is {found} but its image is {width}x{height}; give both the same size")
        return objects, objects

    missing = {image_id: "no file" for image_id in images.ids if image_id not in files}
    return Proposals(propose, {"estimator": "png", "supervision": "unknown"} | read_provenance(source), missing)
