"""The embedded sample: its bytes, its layout, and that shape tells the classes while colour does not."""

import hashlib
import io
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.measure import label, regionprops

from pipeline.images.codecs import decode_image, decode_labels
from pipeline.images.sample import CLASSES, bordered, class_of, classes_of, sample_files
from pipeline.images.scenes import draw_scene
from pipeline.params import DrawSample, load

SIZES = DrawSample(size=64, proposal=3, benchmark=4, train=3, trainaug=8, val=4)
DIGEST = """
import hashlib
from pipeline.images.sample import sample_files
from pipeline.params import DrawSample
sizes = DrawSample(size=64, proposal=3, benchmark=4, train=3, trainaug=8, val=4)
digest = hashlib.sha256()
for path, data in sample_files(7, sizes):
    digest.update(path.as_posix().encode() + data)
print(digest.hexdigest())
"""

SAMPLE = Path(__file__).parents[2] / "profiles" / "sample.yaml"


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {path.as_posix(): data for path, data in sample_files(7, SIZES)}


def ids(files: dict[str, bytes], split: str) -> list[str]:
    return files[f"target/ImageSets/Segmentation/{split}.txt"].decode().split()


def stems(files: dict[str, bytes], folder: str) -> list[str]:
    return sorted(Path(path).stem for path in files if path.startswith(f"{folder}/"))


def test_another_process_draws_the_same_bytes(files):
    digest = hashlib.sha256(b"".join(path.encode() + data for path, data in files.items())).hexdigest()
    result = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == digest


def test_another_seed_draws_other_images(files):
    other = dict(sample_files(8, SIZES))
    path = Path("target/JPEGImages/target_0001.jpg")
    assert other[path] != files[path.as_posix()]


def test_images_do_not_change_when_more_are_drawn(files):
    more = SIZES.model_copy(update={"proposal": 4, "benchmark": 5, "train": 4, "trainaug": 9})
    larger = {path.as_posix(): data for path, data in sample_files(7, more)}
    shared = [path for path in files if "ImageSets" not in path and path in larger]
    assert len(shared) >= len(files) - 4
    assert all(files[path] == larger[path] for path in shared)


def test_trainaug_contains_train_and_shares_nothing_with_val(files):
    train, trainaug, val = (set(ids(files, split)) for split in ("train", "trainaug", "val"))
    assert (len(train), len(trainaug), len(val)) == (3, 8, 4)
    assert train < trainaug
    assert not trainaug & val


def test_target_has_the_label_maps_of_voc_and_of_sbd(files):
    assert stems(files, "target/SegmentationClass") == sorted(ids(files, "train") + ids(files, "val"))
    assert stems(files, "target/SegmentationClassAug") == ids(files, "trainaug")
    assert stems(files, "target/JPEGImages") == sorted(ids(files, "trainaug") + ids(files, "val"))


def test_labels_are_classes_and_255_only_in_the_folder_of_voc(files):
    for folder, ignored in ("SegmentationClass", {255}), ("SegmentationClassAug", set()):
        maps = [decode_labels(data) for path, data in files.items() if f"/{folder}/" in path]
        values = set(np.unique(np.concatenate([m.ravel() for m in maps])).tolist())
        assert values <= set(range(len(CLASSES))) | ignored
        assert values >= {0} | ignored


def test_images_and_label_maps_have_one_size_whose_longer_side_is_as_asked(files):
    for folder, of in ("target/SegmentationClass", "target/JPEGImages"), ("benchmark/shapes/masks",) * 2:
        for stem in stems(files, folder):
            labels = decode_labels(files[f"{folder}/{stem}.png"])
            image = f"{of}/{stem}.jpg".replace("masks", "images")
            assert decode_image(files[image]).shape[:2] == labels.shape
            assert max(labels.shape) == SIZES.size


def test_benchmark_masks_hold_0_and_255(files):
    masks = [decode_labels(data) for path, data in files.items() if "/masks/" in path]
    assert len(masks) == SIZES.benchmark
    assert all(np.unique(mask).tolist() == [0, 255] for mask in masks)


def test_label_maps_are_stored_with_the_voc_palette(files):
    with Image.open(io.BytesIO(files["target/SegmentationClass/target_0001.png"])) as image:
        assert image.mode == "P"
        palette = np.array(image.getpalette()).reshape(-1, 3)
    assert palette[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert palette[255].tolist() == [224, 224, 192]


def test_border_is_one_pixel_on_each_side_of_an_outline():
    labels = np.zeros((7, 7), np.uint8)
    labels[2:5, 2:5] = 3
    expected = np.zeros((7, 7), np.uint8)
    expected[1:6, 2:5] = expected[2:5, 1:6] = 255
    expected[3, 3] = 3
    assert bordered(labels).tolist() == expected.tolist()


def test_class_names_in_params_are_the_drawn_shapes():
    assert load(SAMPLE).pack_images.target.classes == CLASSES


def test_five_images_in_a_row_show_every_class():
    assert sorted(class_of(0, "target", i) for i in range(5, 10)) == [1, 2, 3, 4, 5]


def test_a_quarter_of_the_target_images_show_two_objects():
    drawn = [classes_of(0, "target", i) for i in range(2000)]
    pairs = [classes for classes in drawn if len(classes) == 2]
    assert 0.22 < len(pairs) / len(drawn) < 0.28
    assert 0.4 < np.mean([first == second for first, second in pairs]) < 0.6
    assert set(Counter(second for _, second in pairs)) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(("objects", "least", "most"), [(1, 0.18, 0.42), (2, 0.08, 0.2)])
def test_an_object_covers_8_to_42_percent_and_keeps_off_the_image_border(objects, least, most):
    for i in range(20):
        labels = draw_scene(3, f"image_{i}", [1 + i % 5] * objects, 96, cluttered=True).labels
        areas = np.array([region.area for region in regionprops(label(labels > 0))]) / labels.size
        assert len(areas) == objects
        assert least - 0.01 < areas.min() <= areas.max() < most + 0.01
        assert not (labels[[0, -1]].any() or labels[:, [0, -1]].any())


def test_the_same_image_with_another_class_has_the_same_colours():
    """Where both silhouettes are, only the shading differs; two unrelated images differ by 80 grey values or so."""
    for i in range(10):
        moon, ring = (draw_scene(0, f"image_{i}", [index], 96, cluttered=True) for index in (3, 5))
        both = (moon.labels > 0) & (ring.labels > 0)
        assert both.sum() > 50
        assert np.abs(np.median(moon.rgb[both], axis=0) - np.median(ring.rgb[both], axis=0)).max() < 20


def nearest_neighbour_accuracy(features: np.ndarray, classes: np.ndarray, bank: int) -> float:
    """Share of the objects after the first `bank` whose nearest object among those is of their class."""
    scaled = features / (features.std(axis=0) + 1e-9)
    distances = ((scaled[bank:, None] - scaled[None, :bank]) ** 2).sum(axis=-1)
    return float((classes[:bank][distances.argmin(axis=1)] == classes[bank:]).mean())


def test_shape_tells_the_classes_and_colour_does_not():
    """Nearest neighbours of 120 objects among 120 others; chance is 0.2, with a standard deviation of 0.037."""
    classes = np.array([class_of(0, "test", i) for i in range(240)])
    colours, shapes = [], []
    for i, index in enumerate(classes):
        scene = draw_scene(0, f"test_{i}", [int(index)], 64, cluttered=True)
        pixels = scene.rgb[scene.labels > 0]
        colours.append(np.concatenate([pixels.mean(axis=0), pixels.std(axis=0)]))
        (region,) = regionprops((scene.labels > 0).astype(int))
        shapes.append([region.solidity, region.eccentricity, region.extent, region.euler_number])
    assert nearest_neighbour_accuracy(np.array(colours), classes, 120) < 0.3
    assert nearest_neighbour_accuracy(np.array(shapes), classes, 120) > 0.85
