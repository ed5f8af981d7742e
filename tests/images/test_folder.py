from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.images.folder import files_by_id, read
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
