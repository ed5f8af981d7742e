from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet
from pipeline.images.view_pairs import ViewPair, ViewPairs
from pipeline.images.views import cut_view, draw_crops, on_device
from pipeline.mask_store import MaskStore, write_masks
from pipeline.seeding import generator
from tests.conftest import disc
from tests.images.augmentation import SIMCLR, views

SETTINGS = views(SIMCLR, min_foreground=0.01, max_foreground=0.99, transforms="fast")


def store(images: Path, masks: list[np.ndarray]) -> tuple[ImageSet, MaskStore]:
    opened = ImageSet(images)
    path = images.with_name("masks.h5")
    write_masks(path, opened.ids[: len(masks)], opened.sizes[: len(masks)], masks)
    return opened, MaskStore(path)


@pytest.fixture
def pairs(disc_images: Path) -> ViewPairs:
    images, masks = store(disc_images, [disc(i) for i in range(12)])
    return ViewPairs(images, masks, [1, 4, 7, 9], SETTINGS, seed=0)


def parts(pair: ViewPair) -> list[torch.Tensor | int]:
    views = (pair.query, pair.key)
    return [*(part for view in views for part in (view.image, view.mask, *view.colours)), pair.shown, pair.replaced]


def same(first: ViewPair, second: ViewPair) -> bool:
    return all(torch.as_tensor(a).equal(torch.as_tensor(b)) for a, b in zip(parts(first), parts(second), strict=True))


def test_item_is_query_key_and_the_index_in_the_image_set(pairs: ViewPairs):
    query, key, index, replaced = pairs[2]
    assert query.image.shape == key.image.shape == (32, 32, 3) and query.mask.shape == key.mask.shape == (32, 32)
    assert (index, replaced, len(pairs)) == (7, False, 4)


def test_item_depends_on_epoch_and_seed_alone(pairs: ViewPairs):
    first, second = pairs[0], pairs[1]
    assert same(pairs[1], second) and same(pairs[0], first)
    pairs.set_epoch(1)
    assert not same(pairs[0], first)
    pairs.set_epoch(0)
    assert same(pairs[0], first)
    assert not same(ViewPairs(pairs.images, pairs.masks, [1], SETTINGS, seed=1)[0], first)


def test_item_of_an_image_does_not_depend_on_its_place(pairs: ViewPairs):
    assert same(ViewPairs(pairs.images, pairs.masks, [9, 0], SETTINGS, seed=0)[0], pairs[3])


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("transforms", ["fast", "exact"])
def test_loader_processes_and_batches_do_not_change_finished_views(pairs: ViewPairs, transforms: str):
    pairs.settings = SETTINGS.model_copy(update={"transforms": transforms})
    pairs.set_epoch(5)
    cpu = torch.device("cpu")
    here = [on_device(default_collate([pairs[i].key]), pairs.settings, cpu) for i in range(4)]
    loader = DataLoader(pairs, batch_size=3, num_workers=2, multiprocessing_context="fork")
    there = [on_device(batch.key, pairs.settings, cpu) for batch in loader]
    for mine, theirs in zip(zip(*here, strict=True), zip(*there, strict=True), strict=True):
        assert torch.cat(mine).equal(torch.cat(theirs))


def test_decoded_images_that_are_kept_change_nothing(pairs: ViewPairs):
    kept = ViewPairs(pairs.images, pairs.masks, pairs.indices, SETTINGS, seed=0, cache_bytes=2 * 40 * 48 * 3 + 2)
    for epoch in range(3):
        pairs.set_epoch(epoch)
        kept.set_epoch(epoch)
        assert all(same(pairs[i], kept[i]) for i in range(4))


def test_one_of_several_objects_is_drawn_for_both_views(disc_images: Path):
    # The disc, and a block that no view of the disc alone can hold as many pixels of.
    block = np.zeros((40, 48), dtype=np.uint8)
    block[4:38, 34:46] = 2
    images, masks = store(disc_images, [np.where(disc(i), 1, block) for i in range(12)])
    pairs = ViewPairs(images, masks, [0, 1], SETTINGS.model_copy(update={"min_scale": 1.0}), seed=0)
    drawn = []
    for epoch in range(12):
        pairs.set_epoch(epoch)
        areas = {int(view.mask.sum()) > 160 for view in pairs[0][:2]}
        assert len(areas) == 1
        drawn += areas
    assert set(drawn) == {True, False}


def test_a_lone_object_costs_no_draw(disc_images: Path):
    images, masks = store(disc_images, [disc(i) for i in range(12)])
    first = ViewPairs(images, masks, [0], SETTINGS, seed=0)[0]
    rng = generator(0, "views", 0, images.ids[0])
    crops = draw_crops(masks[0], SETTINGS, rng)
    assert crops is not None
    query, key = (cut_view(images.rgb(0), crop, SETTINGS, rng) for crop in crops)
    assert same(first, ViewPair(query, key, 0, False))


def test_image_whose_mask_fits_no_view_is_replaced_and_the_item_tells(disc_images: Path):
    full = np.ones((40, 48), dtype=bool)
    images, masks = store(disc_images, [full, *(disc(i) for i in range(1, 12))])
    pairs = [ViewPairs(images, masks, [0, 3, 5], SETTINGS, seed) for seed in range(12)]
    assert {each[0][2:] for each in pairs} == {(3, True), (5, True)}
    assert pairs[0][1][2:] == (3, False)


def test_masks_that_fit_no_view_at_all_end_with_one_sentence(disc_images: Path):
    images, masks = store(disc_images, [np.ones((40, 48), dtype=bool)] * 12)
    with pytest.raises(InputError, match=r"neither img_02 nor 100 other masks fit the views; widen"):
        ViewPairs(images, masks, [2, 3], SETTINGS, seed=0)[0]


def test_rejected_masks_may_not_be_asked_for(disc_images: Path):
    empty = np.zeros((40, 48), dtype=bool)
    images, masks = store(disc_images, [empty, *(disc(i) for i in range(1, 12))])
    with pytest.raises(ValueError, match="mask is rejected"):
        ViewPairs(images, masks, [0, 1], SETTINGS, seed=0)


def test_masks_of_other_images_are_refused(disc_images: Path):
    images, masks = store(disc_images, [disc(i) for i in range(11)])
    with pytest.raises(InputError, match="differ at image img_11"):
        ViewPairs(images, masks, [0], SETTINGS, seed=0)
