import hashlib
import io
import os
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.images.fetch import Patience, fetch, locked, record, recorded, wrong_with
from tests.images.web import Host, serving

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
HASTE = Patience(timeout=5.0, tries=2, pause=0.0)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def host() -> Iterator[Host]:
    with serving(Host({"x.tar": CONTENT})) as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "x.tar"


def bring(host: Host, path: Path, checksum: str = SHA256, patience: Patience = HASTE) -> None:
    fetch([f"{host.url}/x.tar"], path, checksum, patience)


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def test_a_file_comes_whole_and_leaves_nothing_beside(host: Host, path: Path):
    bring(host, path)
    assert path.read_bytes() == CONTENT and names(path) == ["x.tar"]


def test_a_broken_connection_is_taken_up_where_it_broke(host: Host, path: Path):
    host.gives = [100_000, 50_000]
    bring(host, path)
    assert path.read_bytes() == CONTENT
    assert [wanted for _, wanted in host.asked] == ["", "bytes=100000-", "bytes=150000-"]


def test_what_an_earlier_call_fetched_is_not_fetched_again(host: Host, path: Path):
    host.gives = [100_000, 0, 0]
    with pytest.raises(InputError, match=r"x\.tar failed \(it ended after 100000 of 300000 bytes\); name a --mirror"):
        bring(host, path)
    assert names(path) == ["x.tar.part"]
    host.gives = []
    bring(host, path)
    assert path.read_bytes() == CONTENT and host.asked[-1] == ("/x.tar", "bytes=100000-")


def test_a_file_that_was_whole_before_it_was_checked_is_not_fetched_again(host: Host, path: Path):
    path.parent.mkdir()
    path.with_name("x.tar.part").write_bytes(CONTENT)
    bring(host, path)
    assert path.read_bytes() == CONTENT and host.asked == [("/x.tar", "bytes=300000-")]


def test_a_part_that_is_longer_than_the_file_is_begun_anew(host: Host, path: Path):
    path.parent.mkdir()
    path.with_name("x.tar.part").write_bytes(CONTENT + b"more")
    bring(host, path)
    assert path.read_bytes() == CONTENT and host.asked[-1] == ("/x.tar", "")


def test_a_host_without_ranges_is_asked_for_the_whole(host: Host, path: Path):
    host.ranges, host.gives = False, [100_000]
    bring(host, path)
    assert path.read_bytes() == CONTENT and len(host.asked) == 2


def test_a_host_that_sends_another_range_than_asked_for_is_not_believed(host: Host, path: Path):
    host.gives, host.shift = [100_000], 7
    bring(host, path)
    assert path.read_bytes() == CONTENT and [wanted for _, wanted in host.asked] == ["", "bytes=100000-", ""]


def test_a_host_that_tells_no_length_is_believed_by_the_checksum_alone(host: Host, path: Path):
    host.unsized, host.gives = True, [100_000]
    with pytest.raises(InputError, match=r"has the sha256 \w+ instead of"):
        bring(host, path)
    assert names(path) == []
    bring(host, path)
    assert path.read_bytes() == CONTENT


def test_a_silent_host_is_given_up_and_what_came_is_kept(host: Host, path: Path):
    host.gives, host.stalls = [100_000, 0, 0], True
    begin = time.monotonic()
    with pytest.raises(InputError, match=r"x\.tar failed \(.*timed out\)"):
        bring(host, path, patience=Patience(timeout=0.1, tries=2, pause=0.0))
    assert time.monotonic() - begin < 5
    assert path.with_name("x.tar.part").stat().st_size == 100_000


def test_a_silent_host_that_speaks_again_is_heard(host: Host, path: Path):
    host.gives, host.stalls = [100_000], True
    bring(host, path, patience=Patience(timeout=0.1, tries=2, pause=0.0))
    assert path.read_bytes() == CONTENT


def test_a_wrong_file_is_removed_in_one_sentence(host: Host, path: Path):
    host.files["x.tar"] = b"<html>moved</html>"
    with pytest.raises(
        InputError, match=r"^x\.tar could not be fetched: \S+/x\.tar has the sha256 \w+ instead of"
    ) as error:
        bring(host, path)
    assert "\n" not in str(error.value) and names(path) == []


def test_without_a_checksum_a_page_is_still_no_archive(host: Host, path: Path):
    host.files["x.tar"] = b"<html>moved</html>"
    with pytest.raises(InputError, match=r"x\.tar is no zip or tar archive; name a --mirror"):
        bring(host, path, checksum="")


def test_the_next_address_is_asked_when_one_has_no_such_file(host: Host, path: Path):
    fetch([f"{host.url}/gone/x.tar", f"{host.url}/x.tar"], path, SHA256, HASTE)
    assert path.read_bytes() == CONTENT
    assert [asked for asked, _ in host.asked] == ["/gone/x.tar", "/x.tar"]


def test_the_next_address_is_asked_when_one_has_another_file(host: Host, path: Path):
    host.files["other/x.tar"] = b"another"
    fetch([f"{host.url}/other/x.tar", f"{host.url}/x.tar"], path, SHA256, HASTE)
    assert path.read_bytes() == CONTENT and host.asked[-1] == ("/x.tar", "")


def test_every_address_that_fails_is_named_with_its_reason(host: Host, path: Path):
    with serving(Host(error=503)) as busy:
        urls = [f"{host.url}/gone.tar", f"{busy.url}/x.tar", "http://127.0.0.1:1/x.tar", "nowhere"]
        with pytest.raises(InputError) as error:
            fetch(urls, path, SHA256, HASTE)
    told = str(error.value)
    assert "/gone.tar answers 404 Not Found" in told and "/x.tar answers 503 Service Unavailable" in told
    assert "Connection refused" in told and "nowhere failed (unknown url type: 'nowhere')" in told
    assert len(host.asked) == 1 and len(busy.asked) == HASTE.tries


def test_two_processes_do_not_fetch_one_file(host: Host, path: Path):
    path.parent.mkdir()
    at_work = pytest.raises(InputError, match=r"another process is at work on \S+x\.tar; wait until it ends")
    with path.with_name("x.tar.part").open("wb") as file, locked(file.fileno(), path), at_work:
        bring(host, path)
    bring(host, path)


def test_archives_are_told_from_other_files(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x", "y")
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("x"), io.BytesIO())
    assert wrong_with(tmp_path / "a.zip", "") == wrong_with(tmp_path / "a.tgz", "") == ""


def test_the_note_of_a_checksum_is_that_of_sha256sum(tmp_path: Path):
    path = tmp_path / "x.tar"
    path.write_bytes(CONTENT)
    assert recorded(path) == ""
    record(path)
    assert recorded(path) == SHA256 and wrong_with(path, recorded(path)) == ""
    assert os.system(f"cd {tmp_path} && sha256sum --quiet --check x.tar.sha256") == 0
    path.write_bytes(b"another")
    assert wrong_with(path, recorded(path)).endswith(f"instead of {SHA256[7:]}")
