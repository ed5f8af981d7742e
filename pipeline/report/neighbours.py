"""The rows of the sheet of retrieved segments."""

from collections.abc import Iterable, Iterator, Sequence

from pipeline.embedding_store import EmbeddingStore
from pipeline.images.codecs import decode_image
from pipeline.images.nearest import nearest
from pipeline.packed import Packed
from pipeline.report.figures import ShownSegment


def neighbour_rows(
    images: Packed, stored: EmbeddingStore, rows: Iterable[Sequence[tuple[str, int]]]
) -> Iterator[list[ShownSegment]]:
    """The segments of `rows` of (image id, class), with their pictures and where they are predicted salient."""
    for row in rows:
        yield [shown_segment(images, stored, image_id, label) for image_id, label in row]


def shown_segment(images: Packed, stored: EmbeddingStore, image_id: str, label: int) -> ShownSegment:
    """One image with its predicted foreground at its original size."""
    image = decode_image(images[images.index(image_id)])
    foreground = nearest(stored.foreground(stored.index(image_id)), image.shape[:2])
    return ShownSegment(image_id, image, foreground, label)
