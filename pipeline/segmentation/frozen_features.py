"""Feature maps of a frozen network, computed once for all epochs of a linear classifier, and their moments."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from pipeline.params import ProbeLinear
from pipeline.progress import track
from pipeline.runtime import device, workers
from pipeline.scratch import IN_MEMORY, Scratch
from pipeline.segmentation.augmentation import AugmentedSquares
from pipeline.segmentation.label_batches import LabelledSquares

KEPT_BYTES = 1 << 32
ROUNDING = 1e-5


class FrozenFeatures:
    """Feature maps of a frozen network for labelled squares: DeepLab's decoder map, or the last of a backbone's maps.

    The network is in evaluation mode. `views` is 0 for the images as they are; otherwise as many random views of each
    are drawn, once, from `seed`, and view v of image j is row `v * images + j`. Maps are computed once and kept, with
    square label maps, 4 d (size / stride)^2 + size^2 bytes a row (19 MB for 240 images of 128 x 12 x 12), when all fit
    into `KEPT_BYTES`; otherwise on every pass, of the same views, so that the limit does not change a result.
    """

    def __init__(
        self,
        network: nn.Module,
        squares: LabelledSquares,
        section: ProbeLinear,
        views: int = 0,
        scratch: Scratch = IN_MEMORY,
    ) -> None:
        self.network, self.squares, self.batch = network.eval().to(device()), squares, section.batch
        self.views, self.images = views, len(squares)
        self.rows = self.images * max(1, views)
        seed = section.seeds[0]  # the seeds of a probe share the views
        self.seen: Dataset = AugmentedSquares(squares, seed, section.outside) if views else squares
        self.kept: list[Tensor] | None = None
        first = self._maps(next(iter(self._loader([[0]])))[0])
        self.channels = first.shape[1]
        if (first.nbytes + squares.size**2) * self.rows <= KEPT_BYTES:
            self.kept = scratch.gather(self.rows, self._computed())

    def view(self, view: int) -> list[int]:
        """The rows of all images in one view; after the last view comes the first again."""
        first = view % max(1, self.views) * self.images
        return list(range(first, first + self.images))

    def in_order(self) -> list[list[int]]:
        """The rows of the first view in batches, the last of which may be smaller."""
        return self._batched(range(self.images))

    def passed(self, order: Sequence[Sequence[int]]) -> Iterator[tuple[Float[Tensor, "b d h w"], Tensor]]:
        """The maps of batches of rows and their square label maps, both on the device."""
        if self.kept is None:
            for images, labels in self._loader(order):
                yield self._maps(images), labels.to(device())
        else:
            for rows in order:
                maps, labels = (tensor[list(rows)].to(device()) for tensor in self.kept)
                yield maps, labels

    def _computed(self) -> Iterator[list[Tensor]]:
        order = self._batched(range(self.rows))
        for images, labels in track(self._loader(order), "frozen features", len(order), "batch"):
            yield [self._maps(images).cpu(), labels]

    def _batched(self, rows: range) -> list[list[int]]:
        return [list(rows[start : start + self.batch]) for start in range(0, len(rows), self.batch)]

    def _loader(self, order: Sequence[Sequence[int]]) -> Iterable[list[Tensor]]:
        items = [[self._item(row) for row in rows] for rows in order]
        return DataLoader(self.seen, batch_sampler=items, num_workers=workers())  # type: ignore[arg-type]

    def _item(self, row: int) -> int | tuple[int, int, int]:
        view, j = divmod(row, self.images)
        return (view, j, j) if self.views else j

    @torch.no_grad()
    def _maps(self, images: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b d h w"]:
        found = self.network(images.to(device()))
        return found if isinstance(found, Tensor) else found[-1]


def channel_moments(features: FrozenFeatures) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
    """Mean and standard deviation of every channel over all positions of the first view.

    A channel whose deviation is within rounding of zero gets an infinite one: standardised, it says nothing.
    """
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for found, _ in features.passed(features.in_order()):
        maps = found.transpose(0, 1).flatten(1).double()
        count, total, squares = count + maps.shape[1], total + maps.sum(1), squares + maps.square().sum(1)
    mean, power = total / count, squares / count
    std = (power - mean.square()).clamp_min(0).sqrt()
    return mean.float(), std.where(std > ROUNDING * power.sqrt(), torch.inf).float()
