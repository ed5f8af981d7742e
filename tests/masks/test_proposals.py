import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.images.codecs import encode_map, encode_png
from pipeline.mask_store import MaskStore, write_masks
from pipeline.masks.proposals import object_maps, open_proposals
from pipeline.packed import Packed, write_packed
from pipeline.params import ExtractMasks
from tests.images.trees import save
from tests.masks.settings import settings

HEIGHT, WIDTH = 20, 30
TWO_SQUARES = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
TWO_SQUARES[2:8, 2:8], TWO_SQUARES[10:18, 20:28] = 1, 2
RING = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
RING[4:16, 5:25], RING[8:12, 10:20] = 1, 0
SPECK = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
SPECK[3, 3:6] = 1
EMPTY = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
PICTURES = {"a": TWO_SQUARES, "b": RING, "c": SPECK, "d": EMPTY}
ORIGIN = {"estimator": "basnet", "supervision": "unsupervised", "weights": hashlib.sha256(b"").hexdigest()}


@pytest.fixture
def images(tmp_path: Path) -> Packed:
    """Images a to d, in which objects are 60 grey levels per number brighter than the ground."""
    entries = [(name, encode_png(np.repeat(60 * picture[..., None], 3, -1))) for name, picture in PICTURES.items()]
    sizes = {"height": [HEIGHT] * 4, "width": [WIDTH] * 4}
    write_packed(tmp_path / "images" / "target.h5", entries, "images", columns=sizes)
    maps = [(name, encode_map((picture > 0) * 0.8)) for name, picture in PICTURES.items()]
    write_packed(tmp_path / "saliency" / "target.h5", maps, "maps", metadata=ORIGIN)
    return Packed(tmp_path / "images" / "target.h5", "images")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a file of every image but d."""
    for name in "abc":
        save(tmp_path / "files" / f"{name}.png", PICTURES[name])
    return tmp_path / "files"


def extracted(images: Packed, source: Path, chosen: ExtractMasks) -> MaskStore:
    proposals = open_proposals(images, source, chosen)
    path = images.path.with_name("masks.h5")
    maps = object_maps(images, proposals, chosen)
    write_masks(path, images.ids, images.sizes, maps, proposals.metadata, proposals.rejected)
    return MaskStore(path)


def saliency(images: Packed) -> Path:
    return images.path.parents[1] / "saliency"


def test_saliency_above_the_threshold_is_the_mask(images: Packed):
    store = extracted(images, saliency(images), settings())
    assert np.array_equal(store[0], TWO_SQUARES > 0)
    assert np.array_equal(store[1], RING > 0)
    assert len(store.objects(0)) == 1


def test_a_pixel_exactly_at_the_threshold_is_background(images: Packed):
    store = extracted(images, saliency(images), settings(threshold=204 / 255))
    assert store.reasons == ["empty"] * 4
    assert extracted(images, saliency(images), settings(threshold=203 / 255)).reasons[:2] == ["", ""]


def test_images_are_rejected_with_reason_and_the_area_that_was_found(images: Packed):
    store = extracted(images, saliency(images), settings())
    assert store.reasons == ["", "", "small", "empty"]
    assert store.area.tolist() == [36 + 64, 12 * 20 - 40, 3, 0]


def test_a_component_that_is_too_small_goes_alone(images: Packed):
    store = extracted(images, saliency(images), settings(min_component=40 / 600))
    assert np.array_equal(store[0], TWO_SQUARES == 2)


@pytest.mark.parametrize("mode", ["components", "contours"])
def test_what_is_left_may_be_too_small(images: Packed, mode: str):
    assert extracted(images, saliency(images), settings(mode=mode, min_area=100 / 600)).reasons[0] == ""
    assert extracted(images, saliency(images), settings(mode=mode, min_area=101 / 600)).reasons[0] == "small"
    assert extracted(images, saliency(images), settings(mode=mode, min_area=0.0)).reasons[2:] == ["small", "empty"]


def test_split_makes_every_component_an_object(images: Packed):
    store = extracted(images, saliency(images), settings(components="split"))
    assert np.array_equal(store.objects(0), [TWO_SQUARES == 1, TWO_SQUARES == 2])
    assert np.array_equal(store.objects(1), [RING > 0])


def test_saliency_of_other_images_is_refused(images: Packed, tmp_path: Path):
    write_packed(tmp_path / "saliency" / "target.h5", [("a", encode_map(EMPTY / 1.0))], "maps")
    with pytest.raises(InputError, match="differ at image b"):
        open_proposals(images, saliency(images), settings())


def test_regions_of_the_image_are_objects(images: Packed):
    store = extracted(images, images.path.parent, settings(proposal="images", components="split", min_component=0.02))
    assert any(np.mean(found == (TWO_SQUARES == 2)) > 0.97 for found in store.objects(0))
    assert len(store.objects(0)) > 1
    assert len(store.objects(3)) == 1 and store[3].all()


def test_files_are_taken_as_they_are(images: Packed, files: Path):
    store = extracted(
        images, files, settings(proposal="raw/files", components="split", min_component=0.9, min_area=0.0)
    )
    assert np.array_equal(store.objects(0), [TWO_SQUARES == 1, TWO_SQUARES == 2])
    assert np.array_equal(store[2], SPECK > 0)
    merged = extracted(images, files, settings(proposal="raw/files"))
    assert np.array_equal(merged.objects(0), [TWO_SQUARES > 0])


def test_images_without_a_file_are_rejected_and_files_without_an_image_are_passed_over(images: Packed, files: Path):
    save(files / "z.png", EMPTY)
    store = extracted(images, files, settings(proposal="raw/files"))
    assert store.reasons == ["", "", "small", "no file"]


def test_the_layout_that_the_authors_ship_is_read(images: Packed, tmp_path: Path):
    # images/*.jpg and sets/trainaug.txt lie beside the masks, of which some have three equal channels.
    folder = tmp_path / "PASCAL_VOC" / "saliency_unsupervised_model"
    save(folder / "a.png", np.minimum(TWO_SQUARES, 1) * np.uint8(255))
    save(folder / "b.png", np.repeat(RING[..., None] * np.uint8(255), 3, axis=-1))
    store = extracted(images, folder, settings(proposal="raw/PASCAL_VOC/saliency_unsupervised_model"))
    assert np.array_equal(store[0], TWO_SQUARES > 0) and np.array_equal(store[1], RING > 0)


def test_a_file_of_another_size_than_its_image_is_refused(images: Packed, files: Path):
    save(files / "b.png", RING.T)
    with pytest.raises(InputError, match=r"b\.png is 20x30 but its image is 30x20; give both the same size"):
        extracted(images, files, settings(proposal="raw/files"))
    assert not images.path.with_name("masks.h5").exists()


def test_the_metadata_tells_where_masks_come_from_and_the_steps_they_went_through(images: Packed, files: Path):
    made = extracted(images, saliency(images), settings()).metadata
    steps = {"threshold": 0.5, "min_component": 0.01, "min_area": 0.01, "mode": "components", "components": "merge"}
    assert made == {**ORIGIN, **steps, "proposal": "saliency"}
    regions = extracted(images, images.path.parent, settings(proposal="images", components="split")).metadata
    assert (regions["estimator"], regions["supervision"], regions["merge_below"]) == ("regions", "unsupervised", 16)
    assert "threshold" not in regions
    found = extracted(images, files, settings(proposal="raw/files")).metadata
    assert found == {
        "estimator": "png", "supervision": "unknown", "proposal": "raw/files", "min_area": 0.01, "components": "merge"
    }  # fmt: skip


def test_files_may_bring_their_own_origin(images: Packed, files: Path):
    (files / "metadata.json").write_text(json.dumps(ORIGIN | {"threshold": 0.4}))
    found = extracted(images, files, settings(proposal="raw/files")).metadata
    assert found["supervision"] == "unsupervised" and found["weights"] == ORIGIN["weights"]
    assert found["threshold"] == 0.4 and found["proposal"] == "raw/files"
