"""Query and key views of a packed set as a torch data set."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64
from torch.utils.data import Dataset

from pipeline import params
from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet
from pipeline.images.decoded import DecodedImages
from pipeline.images.views import View, cut_view, draw_crops
from pipeline.mask_store import MaskStore
from pipeline.seeding import generator

REPLACEMENTS = 100


class ViewPair(NamedTuple):
    """Query and key, the number of the image shown, and whether it is a replacement; or a batch of all these."""

    query: View
    key: View
    shown: int
    replaced: bool


class ViewPairs(Dataset):
    """Item i is the `ViewPair` of the i-th image; `views.on_device` finishes a batch.

    The draws depend on seed, epoch and image id only, so loader processes never change an item. Of decoded images
    `cache_bytes` are kept. An image whose mask fits no views (`draw_crops` is None) is replaced by a random other one
    of `indices`, as in the authors' code.
    Of several objects in an image one is drawn for the pair, which shares nothing with the others: in these views they
    count as ground, for the saliency head too.
    Raises ValueError for a rejected mask in `indices`.
    """

    def __init__(
        self,
        images: ImageSet,
        masks: MaskStore,
        indices: Int64[np.ndarray, " m"] | Sequence[int],
        settings: params.Views,
        seed: int,
        cache_bytes: int = 0,
    ) -> None:
        images.require_ids(masks)
        self.images, self.masks, self.settings, self.seed = images, masks, settings, seed
        self.indices = np.asarray(indices, dtype=np.int64)
        self.decoded = DecodedImages(images, self.indices, cache_bytes)
        self.epoch = 0
        if masks.rejected[self.indices].any():
            raise ValueError("indices contain images whose mask is rejected; leave them out")

    def set_epoch(self, epoch: int) -> None:
        """Draw other views from now on; loader processes see it when they start, at the next pass over the loader."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> ViewPair:
        asked = int(self.indices[i])
        rng = generator(self.seed, "views", self.epoch, self.images.ids[asked])
        views, shown = self._views(asked, rng), asked
        for _ in range(REPLACEMENTS):
            if views is not None:
                break
            shown = int(rng.choice(self.indices))
            views = self._views(shown, rng)
        if views is None:
            raise InputError(
                f"{self.masks.path}: neither {self.images.ids[asked]} nor {REPLACEMENTS} other masks fit the views;"
                " widen pretrain.views.min_foreground and max_foreground"
            )
        return ViewPair(*views, shown, shown != asked)

    def _views(self, i: int, rng: np.random.Generator) -> tuple[View, View] | None:
        objects = self.masks.objects(i)
        crops = draw_crops(objects[rng.integers(len(objects))], self.settings, rng)
        if crops is None:
            return None
        image = self.decoded.rgb(i)
        query, key = (cut_view(image, crop, self.settings, rng) for crop in crops)
        return query, key
