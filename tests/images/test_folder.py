import tracemalloc
from pathlib import Path

import pytest

from pipeline import packed
from pipeline.errors import InputError
from pipeline.images.datasets import ImageSet
from pipeline.images.folder import files_by_id, read
from pipeline.images.packing import limited, pack
from tests.images.trees import save_photo


def test_ids_are_relative_paths_with_double_underscores(tmp_path: Path):
    save_photo(tmp_path / "b.PNG")
    save_photo(tmp_path / "street" / "2020" / "a.v2.jpeg")
    found = read(tmp_path)
    assert sorted(found.images) == ["b", "street__2020__a.v2"]
    assert found.splits == {"all": ["b", "street__2020__a.v2"]}
    assert not found.labels


def test_other_files_and_hidden_ones_are_passed_over(tmp_path: Path):
    save_photo(tmp_path / "a.jpg")
    save_photo(tmp_path / ".thumbs" / "a.jpg")
    save_photo(tmp_path / "._a.jpg")
    (tmp_path / "readme.txt").write_text("no image")
    assert list(files_by_id(tmp_path)) == ["a"]


def save_classes(root: Path, classes: int, each: int) -> None:
    """A tree in ImageNet's layout; of the suffixes every second one is in lower case."""
    for k in range(classes):
        for i in range(each):
            suffix = ("JPEG", "jpeg")[i % 2]
            photo = save_photo(root / f"n{k:08d}" / f"n{k:08d}_{i}.{suffix.lower()}", 64, 64, seed=k * each + i)
            photo.rename(photo.with_suffix(f".{suffix}"))


def test_folders_of_classes_are_one_set_that_can_be_limited(tmp_path: Path):
    save_classes(tmp_path / "imagenet", 3, 4)
    found = limited(read(tmp_path / "imagenet"), {"all": 4})
    assert list(found.images) == [f"n{k:08d}__n{k:08d}_{i}" for k, i in ((0, 0), (0, 3), (1, 2), (2, 1))]
    pack(found, tmp_path / "images.h5", tmp_path / "labels.h5", "stop")
    images = ImageSet(tmp_path / "images.h5")
    assert images.ids == list(found.images)
    assert images[1] == (tmp_path / "imagenet" / "n00000000" / "n00000000_3.jpeg").read_bytes()


def test_packing_holds_one_image_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packed, "COPY_BYTES", 1 << 18)  # of the largest blocks, two at a time
    save_classes(tmp_path / "imagenet", 2, 1)
    photo = save_photo(tmp_path / "photo.png", 300, 300)
    for i in range(80):
        (tmp_path / "imagenet" / "n00000000" / f"{i}.png").hardlink_to(photo)
    tracemalloc.start()
    try:
        pack(read(tmp_path / "imagenet"), tmp_path / "images.h5", tmp_path / "labels.h5", "stop")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "images.h5").stat().st_size > 80 * 250_000
    assert peak < 5_000_000


@pytest.mark.parametrize("first, second", [("a.jpg", "a.png"), ("x__y.jpg", "x/y.jpg")])
def test_two_files_with_one_id_are_refused_by_name(tmp_path: Path, first: str, second: str):
    save_photo(tmp_path / first)
    save_photo(tmp_path / second)
    with pytest.raises(InputError, match=r"have the same id \w+; rename or remove one") as error:
        read(tmp_path)
    assert str(tmp_path / first) in str(error.value) and str(tmp_path / second) in str(error.value)


def test_source_may_be_a_link_to_a_folder_elsewhere(tmp_path: Path):
    save_photo(tmp_path / "elsewhere" / "a.jpg")
    (tmp_path / "raw").symlink_to(tmp_path / "elsewhere")
    assert list(read(tmp_path / "raw").images) == ["a"]


def test_linked_folder_below_the_source_is_refused_with_a_command_that_works(tmp_path: Path):
    save_photo(tmp_path / "elsewhere" / "a.jpg")
    (tmp_path / "raw").mkdir()
    link = tmp_path / "raw" / "part"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="linked folder, which DVC does not look into") as error:
        read(tmp_path / "raw")
    assert str(error.value).endswith(f"rm {link} && cp -rs {tmp_path / 'elsewhere'} {link}")


def test_linked_files_are_read(tmp_path: Path):
    photo = save_photo(tmp_path / "elsewhere" / "a.jpg")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "b.jpg").symlink_to(photo)
    assert list(read(tmp_path / "raw").images) == ["b"]


def test_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"holds no image \(\.jpg, \.jpeg, \.png\)"):
        read(tmp_path)


def test_missing_folder_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"gone is no folder; put or link the data there"):
        read(tmp_path / "gone")
