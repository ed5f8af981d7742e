from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.images.packing import ImageFiles, limited


def numbered(counts: dict[str, range]) -> ImageFiles:
    splits = {name: [f"{k:02d}" for k in numbers] for name, numbers in counts.items()}
    images = {image_id: Path(f"{image_id}.jpg") for ids in splits.values() for image_id in ids}
    return ImageFiles(Path("raw"), images, splits, {i: Path(f"{i}.png") for i in images}, ["background", "cat"])


def test_limit_takes_evenly_spaced_images_of_the_split():
    kept = limited(numbered({"train": range(10)}), {"train": 4})
    assert kept.splits == {"train": ["00", "02", "05", "07"]}
    assert list(kept.images) == list(kept.labels) == ["00", "02", "05", "07"]


@pytest.mark.parametrize("limit", [{}, {"train": 0}, {"train": 10}, {"train": 99}])
def test_no_limit_or_a_wide_one_keeps_all(limit: dict[str, int]):
    assert len(limited(numbered({"train": range(10)}), limit).images) == 10


def test_limits_hold_for_each_list_and_the_union_is_packed():
    kept = limited(numbered({"trainaug": range(8), "train": range(4), "val": range(8, 10)}), {"trainaug": 2, "val": 1})
    assert kept.splits == {"trainaug": ["00", "04"], "train": ["00", "01", "02", "03"], "val": ["08"]}
    assert sorted(kept.images) == ["00", "01", "02", "03", "04", "08"]


def test_limit_for_an_unknown_split_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="limit names a split 'test' that raw does not have; it has train, val"):
        limited(numbered({"train": range(2), "val": range(2, 4)}), {"test": 1})
