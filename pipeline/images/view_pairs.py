"""Query and key views of a packed set as a torch data set."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Int64
from torch import Tensor
from torch.utils.data import Dataset

from pipeline import params
from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet
from pipeline.images.views import View, draw_views
from pipeline.mask_store import MaskStore
from pipeline.seeding import generator

REPLACEMENTS = 100

Item = tuple[Float32[Tensor, "3 s s"], Bool[Tensor, "s s"], Float32[Tensor, "3 s s"], Bool[Tensor, "s s"], int, bool]


class ViewPairs(Dataset):
    """Item i: query image and mask, key image and mask, index of the image shown, whether it is a replacement.

    The draws depend on seed, epoch and image id only, so loader processes never change an item. An image whose mask
    fits no views (`draw_views` is None) is replaced by a random other one of `indices`, as in the authors' code.
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
    ) -> None:
        images.require_ids(masks)
        self.images, self.masks, self.settings, self.seed = images, masks, settings, seed
        self.indices = np.asarray(indices, dtype=np.int64)
        self.epoch = 0
        if masks.rejected[self.indices].any():
            raise ValueError("indices contain images whose mask is rejected; leave them out")

    def set_epoch(self, epoch: int) -> None:
        """Draw other views from now on; loader processes see it when they start, at the next pass over the loader."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> Item:
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
        query, key = views
        return query.image, query.mask, key.image, key.mask, shown, shown != asked

    def _views(self, i: int, rng: np.random.Generator) -> tuple[View, View] | None:
        objects = self.masks.objects(i)
        return draw_views(self.images.rgb(i), objects[rng.integers(len(objects))], self.settings, rng)
