import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.images.downloads import Part
from pipeline.images.fetch import locked
from pipeline.images.unpack import DamagedArchive, unpack

IMAGES, LIST = Part("set/images/*.jpg", "voc/JPEGImages"), Part("set/train.txt", "voc/lists/train.txt")
PARTS = [IMAGES, LIST]
CONTENT = {"set/images/a.jpg": b"first", "set/images/b.jpg": b"second", "set/train.txt": b"a\n", "set/readme": b"no"}


def save_tar(path: Path, files: Mapping[str, bytes], *others: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in others:
            archive.addfile(member)
    return path


def save_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def found(raw: Path) -> dict[str, bytes]:
    return {path.relative_to(raw).as_posix(): path.read_bytes() for path in raw.rglob("*") if path.is_file()}


@pytest.mark.parametrize("save", [save_tar, save_zip])
def test_parts_go_where_they_belong_and_nothing_else(tmp_path: Path, save):
    hidden = {"set/images/._a.jpg": b"of a Macintosh", "__MACOSX/set/images/._a.jpg": b"too"}
    assert unpack(save(tmp_path / "x", CONTENT | hidden), PARTS, tmp_path / "raw") == 3
    assert found(tmp_path / "raw") == {
        "voc/JPEGImages/a.jpg": b"first",
        "voc/JPEGImages/b.jpg": b"second",
        "voc/lists/train.txt": b"a\n",
    }


def test_a_zip_inside_is_looked_into(tmp_path: Path):
    inner = save_zip(tmp_path / "inner.zip", {"panoptic/a.png": b"map", "panoptic/b.txt": b"no"}).read_bytes()
    outer = save_zip(tmp_path / "x.zip", {"annotations/inner.zip": inner, "annotations/other.zip": inner})
    assert unpack(outer, [Part("annotations/inner.zip/panoptic/*.png", "maps")], tmp_path / "raw") == 1
    assert found(tmp_path / "raw") == {"maps/a.png": b"map"}


def link(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


@pytest.mark.parametrize(
    ("save", "reason"),
    [
        (lambda path: save_zip(path, CONTENT | {"../x.jpg": b"out"}), r"holds '\.\./x\.jpg', which leads out"),
        (lambda path: save_tar(path, CONTENT | {"../x.jpg": b"out"}), r"holds '\.\./x\.jpg', which leads out"),
        (lambda path: save_tar(path, CONTENT | {"set/images/../../../x.jpg": b"out"}), "leads out of its folder"),
        (lambda path: save_tar(path, CONTENT | {"/tmp/x.jpg": b"out"}), "leads out of its folder"),
        (lambda path: save_zip(path, CONTENT | {"..\\x.jpg": b"out"}), "leads out of its folder"),
        (lambda path: save_tar(path, CONTENT, link("set/images/c.jpg")), r"holds set/images/c\.jpg as a link"),
        (lambda path: save_zip(path, CONTENT | {"set/images/c/a.jpg": b"two"}), r"holds two files for a\.jpg"),
        (lambda path: save_zip(path, {"set/train.txt": b"a"}), r"holds no set/images/\*\.jpg, so it is another"),
        (lambda path: save_zip(path, {"set/images/a.jpg": b"a"}), r"holds no set/train\.txt, so it is another"),
    ],
)
def test_an_archive_that_cannot_be_trusted_is_refused_and_leaves_nothing(tmp_path: Path, save, reason: str):
    with pytest.raises(InputError, match=reason):
        unpack(save(tmp_path / "x"), PARTS, tmp_path / "raw")
    assert found(tmp_path / "raw") == {} and not (tmp_path / "x.jpg").exists()
    assert not (tmp_path / "raw" / "voc" / "JPEGImages").exists()


@pytest.mark.parametrize("save", [save_tar, save_zip])
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_archive_leaves_nothing(tmp_path: Path, save, damage: str):
    path = save(tmp_path / "x", CONTENT | {"set/images/c.jpg": bytes(range(256)) * 40})
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = b"" if damage == "cut" else bytes(255 - byte for byte in data[len(data) // 2 :])
    path.write_bytes(data)
    with pytest.raises(DamagedArchive, match="x is damaged"):
        unpack(path, PARTS, tmp_path / "raw")
    assert found(tmp_path / "raw") == {}


def test_what_a_killed_process_left_is_no_part_of_the_set(tmp_path: Path):
    left = tmp_path / "raw" / "voc" / ".JPEGImages.unpacking"
    left.mkdir(parents=True)
    (left / "half.jpg").write_bytes(b"ha")
    unpack(save_tar(tmp_path / "x", CONTENT), PARTS, tmp_path / "raw")
    assert "voc/JPEGImages/half.jpg" not in found(tmp_path / "raw") and not left.exists()


def test_two_processes_do_not_unpack_one_archive(tmp_path: Path):
    path = save_tar(tmp_path / "x", CONTENT)
    at_work = pytest.raises(InputError, match="another process is at work")
    with path.open("rb") as file, locked(file.fileno(), path), at_work:
        unpack(path, PARTS, tmp_path / "raw")
