"""Profiles that extend others, and a folder of images named with one."""

import re
import shutil
from pathlib import Path

import pytest

from pipeline import params, profile
from pipeline.errors import InputError
from tests.documented import fences
from tests.profiles import SAMPLE_FILE


@pytest.fixture
def own_params(tmp_path: Path) -> Path:
    return Path(shutil.copy(SAMPLE_FILE, tmp_path / "params.yaml"))


def test_one_that_extends_another_is_merged_after_it(own_params: Path, tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text("base: {seed: 1}\npretrain: {epochs: 3}\n")
    (tmp_path / "second.yaml").write_text("extends: first\npretrain: {epochs: 4}\n")
    assert profile.apply(tmp_path / "second.yaml", own_params) == ["base.seed", "pretrain.epochs"]
    loaded = params.load(own_params)
    assert (loaded.base.seed, loaded.pretrain.epochs) == (1, 4)


@pytest.mark.parametrize(
    ("extended", "problem"),
    [("third", r"third\.yaml does not exist; the profiles are"), ("odd", "odd.yaml extends itself")],
)
def test_one_that_extends_what_it_cannot_is_refused(
    extended: str, problem: str, own_params: Path, tmp_path: Path
) -> None:
    (tmp_path / "odd.yaml").write_text(f"extends: {extended}\n")
    before = own_params.read_bytes()
    with pytest.raises(InputError, match=problem):
        profile.apply(tmp_path / "odd.yaml", own_params)
    assert own_params.read_bytes() == before


@pytest.fixture
def photos(own_params: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of photographs outside the project, in which the test runs."""
    (tmp_path / "project" / "profiles").mkdir(parents=True)
    shutil.copy(own_params, tmp_path / "project")
    for path in SAMPLE_FILE.parent.glob("*.yaml"):
        shutil.copy(path, tmp_path / "project" / "profiles")
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "photos"


def test_a_folder_named_with_the_profile_becomes_its_target(photos: Path) -> None:
    place = Path("data/raw/own")
    for folder in (photos.with_name("project"), photos):
        assert profile.main(["folder", str(folder)]) == 0
        assert place.is_symlink() and place.resolve() == folder.resolve()
    loaded = params.load(Path("params.yaml"))
    assert loaded.pack_images.target.source == loaded.pack_images.proposal.source == "own"


def test_a_folder_that_cannot_be_the_target_changes_nothing(photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = Path("params.yaml").read_bytes()
    assert profile.main(["folder", "elsewhere"]) == 1
    assert "elsewhere is no folder; name the one that holds the images" in caplog.text
    Path("data/raw/own").mkdir(parents=True)
    assert profile.main(["folder", str(photos)]) == 1
    assert "data/raw/own is there already and is no link; move it away" in caplog.text
    assert Path("data/raw/own").is_dir() and not Path("data/raw/own").is_symlink()
    assert Path("params.yaml").read_bytes() == before


def test_the_three_lines_of_the_docs_are_a_profile_of_a_folder(photos: Path) -> None:
    (three,) = fences("profiles.md", "Your own images", "yaml")
    assert three.count("\n") == 3
    assert profile.main(["folder"]) == 0
    before = params.load(Path("params.yaml"))
    Path("profiles/photos.yaml").write_text(three)
    name, folder = re.search(r"pipeline.profile (\S+) (\S+)", fences("profiles.md", "Your own images")[0]).groups()  # type: ignore[union-attr]
    assert profile.main([name, folder.replace("~", str(photos.parent))]) == 0
    assert Path("data/raw/photos").resolve() == photos.resolve()
    after = params.load(Path("params.yaml"))
    sets = {name: each.model_copy(update={"source": "own"}) for name, each in after.pack_images}
    assert sets == dict(before.pack_images) and {each.source for _, each in after.pack_images} == {"photos"}
    assert after.pretrain.model_copy(update={"epochs": before.pretrain.epochs}) == before.pretrain
    assert after.pretrain.epochs == 24
