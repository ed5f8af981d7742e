"""Sharing through remotes, as docs/remotes.md tells it: masks, whole runs, and what is missing or damaged.

The graph is the real one, its stages are stubs.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.clones import command, commit, repro
from tests.documented import fences
from tests.s3_server import serving_bucket
from tests.stub_stages import finished_stub

pytestmark = pytest.mark.slow

PARTIAL = ("--pull", "--allow-missing")
MASKS = {"data/masks/target.h5", "data/masks/benchmark.h5", "results/extract_masks/made.json"}
FROM_PRETRAIN = {"pretrain", "embed", "cluster", "match_clusters", "bundle_predictor", "retrieve", "probe_linear"}
FROM_PRETRAIN |= {"finetune@0.1-0-maskcontrast", "score_baselines@saliency", "report"}
REMOTES = """
[core]
    analytics = false
    remote = disk
['remote "disk"']
    url = {disk}
['remote "store"']
    url = s3://team/maskcontrast
    endpointurl = {url}
"""
# The secret is one that git must never see.
LOCAL_CONFIG = """
[core]
    remote = store
['remote "store"']
    access_key_id = nobody
    secret_access_key = hush
"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository whose finished run was pushed to a folder, its default remote, and to an S3 server."""
    folder = finished_stub(tmp_path_factory.mktemp("origin"))
    with serving_bucket("team") as url, pytest.MonkeyPatch.context() as patch:
        # No file of this machine's user shall let anyone in, and no proxy stand between.
        for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name, raising=False)
        (empty := tmp_path_factory.mktemp("home") / "empty").touch()
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(empty))
        patch.setenv("AWS_CONFIG_FILE", str(empty))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("NO_PROXY", "127.0.0.1")
        remotes = REMOTES.format(disk=tmp_path_factory.mktemp("disk"), url=url)
        (folder / ".dvc" / "config").write_text(remotes)
        commit(folder, "Name the remotes")
        command(folder, "dvc", "push", "--run-cache")
        with pytest.MonkeyPatch.context() as keys:
            keys.setenv("AWS_ACCESS_KEY_ID", "nobody")
            keys.setenv("AWS_SECRET_ACCESS_KEY", "hush")
            command(folder, "dvc", "push", "--run-cache", "--remote", "store")
        yield folder


@pytest.fixture(scope="module")
def colleague(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone, with the keys to the S3 server, that has the masks alone."""
    folder = cloned(origin, tmp_path_factory.mktemp("colleague"))
    (folder / ".dvc" / "config.local").write_text(LOCAL_CONFIG)
    command(folder, "dvc", "pull", "extract_masks")
    return folder


def cloned(origin: Path, folder: Path) -> Path:
    command(folder, "git", "clone", "--quiet", str(origin), ".")
    return folder


def partial_repro(folder: Path, *targets: str) -> set[str]:
    """What runs where not all outputs are: the two lines of docs/remotes.md."""
    command(folder, "python", "-m", "pipeline.pull_folders")
    return repro(folder, *PARTIAL, *targets)


def files(folder: Path) -> set[str]:
    """Files among the outputs that DVC caches."""
    paths = (path for name in ("data", "models", "results") for path in (folder / name).rglob("*"))
    return {path.relative_to(folder).as_posix() for path in paths if path.is_file()} - {"data/README.md"}


def edit(folder: Path, old: str, new: str) -> None:
    """Replace a line of params.yaml that stands there once."""
    text = (folder / "params.yaml").read_text()
    assert text.count(f"{old}\n") == 1
    (folder / "params.yaml").write_text(text.replace(f"{old}\n", f"{new}\n"))


def set_temperature(folder: Path, old: float, new: float) -> None:
    edit(folder, f"temperature: {old}", f"temperature: {new}")


def stored(folder: Path, path: str, objects: Path) -> Path:
    """The object of an output in a cache or a remote."""
    lock = YAML(typ="safe").load(folder / "dvc.lock")
    outs = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", [])}
    return objects / "files" / "md5" / outs[path][:2] / outs[path][2:]


def remote_of(origin: Path) -> Path:
    """The folder that is the default remote."""
    return Path(re.search(r"url = (/.+)", (origin / ".dvc" / "config").read_text()).group(1))  # type: ignore[union-attr]


def damage(path: Path, content: bytes) -> None:
    """Give an object other content, and leave it as read-only as it was, which is what DVC goes by."""
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)


def flipped(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def test_dvc_takes_every_recipe_and_git_sees_no_key(tmp_path: Path) -> None:
    for n, recipe in enumerate(fences("remotes.md", "Name a remote")[:4]):
        folder = tmp_path / str(n)
        (folder / ".dvc").mkdir(parents=True)
        run = f"from dvc.cli import main; assert not any(main(line.split()[1:]) for line in {recipe.splitlines()})"
        command(folder, "python", "-c", run)
        shared = (folder / ".dvc" / "config").read_text()
        assert "url = " in shared
        assert not any(word in shared for word in ("THE_", "keyfile", "credentialpath", "user"))


def test_masks_are_pulled_alone_and_without_their_secret_in_git(colleague: Path) -> None:
    assert files(colleague) == MASKS
    seen = command(colleague, "git", "ls-files", "--cached", "--others", "--exclude-standard")
    assert ".dvc/config\n" in seen
    assert ".dvc/config.local" not in seen
    command(colleague, "git", "grep", "--quiet", "hush", "--", ".dvc", status=1)


def test_without_keys_the_store_stays_shut(origin: Path, tmp_path: Path) -> None:
    said = command(cloned(origin, tmp_path), "dvc", "pull", "--remote", "store", "extract_masks", status=1)
    assert "credentials" in said


def test_with_the_masks_pulled_a_temperature_reruns_pretraining_and_what_follows(origin: Path, colleague: Path) -> None:
    set_temperature(colleague, 0.2, 0.5)
    assert partial_repro(colleague) == FROM_PRETRAIN
    for left in ("saliency/target.h5", "images/proposal.h5", "priors/proposal", "pseudolabels/refined"):
        assert not (colleague / "data" / left).exists()
    # The report had every result that it has where everything was computed.
    assert {name for name in files(colleague) if name.startswith("results")} == {
        name for name in files(origin) if name.startswith("results")
    }
    command(colleague, "dvc", "push", "--run-cache")


def test_what_a_colleague_has_computed_is_restored_and_the_report_alone_runs(colleague: Path, tmp_path: Path) -> None:
    third = cloned(colleague, tmp_path)
    shutil.copy(colleague / ".dvc" / "config.local", third / ".dvc")
    command(third, "dvc", "pull", "--run-cache", "extract_masks")
    set_temperature(third, 0.2, 0.5)
    assert partial_repro(third) == {"report"}
    for path in ("models/maskcontrast.pt", "metrics/summary.json"):
        assert (third / path).read_bytes() == (colleague / path).read_bytes()


def test_a_value_that_was_left_before_the_push_is_not_sent(colleague: Path, tmp_path: Path) -> None:
    set_temperature(colleague, 0.5, 0.3)
    assert partial_repro(colleague, "pretrain") == {"pretrain"}
    set_temperature(colleague, 0.3, 0.5)
    assert partial_repro(colleague, "pretrain") == set()
    command(colleague, "dvc", "push", "--run-cache")
    third = cloned(colleague, tmp_path)
    shutil.copy(colleague / ".dvc" / "config.local", third / ".dvc")
    command(third, "dvc", "pull", "--run-cache", "extract_masks")
    records = [path.read_text() for path in (third / ".dvc" / "cache" / "runs").rglob("*") if path.is_file()]
    assert any("temperature: 0.3" in record for record in records)
    set_temperature(third, 0.2, 0.3)
    assert partial_repro(third, "pretrain") == {"pretrain"}


def test_folders_that_several_stages_fill_are_pulled_for_a_stage_that_reads_one(origin: Path, tmp_path: Path) -> None:
    clone = cloned(origin, tmp_path)
    edit(clone, "  mode: components", "  mode: largest")
    # What DVC says alone, without which there were no need of it.
    assert "'data/saliency' does not exist" in command(clone, "dvc", "repro", *PARTIAL, "extract_masks", status=255)
    assert partial_repro(clone, "extract_masks") == {"extract_masks"}
    assert not (clone / "data" / "priors" / "proposal").exists()


def test_an_object_that_the_remote_lacks_is_named(origin: Path, tmp_path: Path) -> None:
    clone, path = cloned(origin, tmp_path), stored(origin, "data/masks/target.h5", remote_of(origin))
    content = path.read_bytes()
    path.unlink()
    status = json.loads(command(clone, "dvc", "data", "status", "--not-in-remote", "--json"))
    assert status["not_in_remote"] == ["data/masks/target.h5"]
    assert "data/masks/target.h5" in command(clone, "dvc", "pull", "extract_masks", status=1)
    assert files(clone) == MASKS - {"data/masks/target.h5"}
    path.write_bytes(content)


def test_damaged_objects_are_trusted_until_they_are_checked_and_pulled_again(origin: Path, tmp_path: Path) -> None:
    clone, cache = cloned(origin, tmp_path), tmp_path / ".dvc" / "cache"
    command(clone, "dvc", "pull", "extract_masks")
    whole = {name: (clone / name).read_bytes() for name in MASKS}
    assert "0 objects were damaged" in command(clone, "python", "-m", "pipeline.check_cache")
    damage(stored(clone, "data/masks/target.h5", cache), flipped(whole["data/masks/target.h5"]))
    damage(stored(clone, "data/masks/benchmark.h5", cache), whole["data/masks/benchmark.h5"][:5])
    (clone / "data" / "masks" / "target.h5").unlink()
    command(clone, "dvc", "checkout", "extract_masks")
    assert (clone / "data" / "masks" / "target.h5").read_bytes() == flipped(whole["data/masks/target.h5"])
    assert "Everything is up to date" in command(clone, "dvc", "pull", "extract_masks")

    said = command(clone, "python", "-m", "pipeline.check_cache", status=1)
    assert "(data/masks/target.h5)" in said
    assert "(data/masks/benchmark.h5)" in said
    assert "2 objects were damaged" in said
    command(clone, "dvc", "pull", "extract_masks")
    assert {name: (clone / name).read_bytes() for name in MASKS} == whole
    assert "0 objects were damaged" in command(clone, "python", "-m", "pipeline.check_cache")


def test_an_object_damaged_on_the_remote_is_refused_where_the_remote_is_verified(origin: Path, tmp_path: Path) -> None:
    clone, path = cloned(origin, tmp_path), stored(origin, "data/masks/target.h5", remote_of(origin))
    content = path.read_bytes()
    damage(path, flipped(content))
    (clone / ".dvc" / "config.local").write_text("['remote \"disk\"']\n    verify = true\n")
    assert "data/masks/target.h5" in command(clone, "dvc", "pull", "extract_masks", status=1)
    assert not (clone / "data" / "masks" / "target.h5").exists()
    path.unlink()
    command(origin, "dvc", "push")
    command(clone, "dvc", "pull", "extract_masks")
    assert (clone / "data" / "masks" / "target.h5").read_bytes() == content
