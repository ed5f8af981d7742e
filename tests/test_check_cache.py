"""Damaged objects are found by what is in them; tests/test_remotes.py repairs them with DVC."""

import hashlib
from pathlib import Path

import pytest

from pipeline.check_cache import damaged_objects, md5, remove_damaged
from pipeline.errors import InputError


def stored(cache: Path, content: bytes, suffix: str = "") -> Path:
    name = hashlib.md5(content).hexdigest() + suffix
    path = cache / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_whole_objects_and_what_is_no_object_are_passed_over(tmp_path: Path) -> None:
    stored(tmp_path, b"masks")
    stored(tmp_path, b"[]", ".dir")
    stored(tmp_path, b"coming").with_name("half-way.tmp").write_bytes(b"com")
    assert damaged_objects(tmp_path) == {}
    assert damaged_objects(tmp_path / "empty") == {}


@pytest.mark.parametrize("suffix", ["", ".dir"])
@pytest.mark.parametrize("content", [b"mask", b"masKs", b"", b"masks\n"])
def test_any_other_content_is_damage(tmp_path: Path, content: bytes, suffix: str) -> None:
    stored(tmp_path, b"other")
    path = stored(tmp_path, b"masks", suffix)
    path.write_bytes(content)
    name = hashlib.md5(b"masks").hexdigest() + suffix
    assert damaged_objects(tmp_path) == {name: hashlib.md5(content).hexdigest()} == {name: md5(path)}


def test_outside_of_a_repository_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="the cache cannot be checked: you are not inside of a DVC repository"):
        remove_damaged()
