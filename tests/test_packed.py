import pickle
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from torch.utils.data import DataLoader

from pipeline.cluster_store import ClusterStore
from pipeline.embedding_store import EmbeddingStore
from pipeline.errors import InputError
from pipeline.mask_store import MaskStore
from pipeline.packed import Container, Packed, replacing, write_packed
from tests import plain_reads

ENTRIES = [("a", b"one"), ("b", b""), ("c", b"three"), ("d", b"4")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_packed(
        tmp_path / "maps.h5", ENTRIES, "maps", splits={"train": ["d", "a"], "val": ["b"]}, metadata={"made": "by hand"}
    )
    return tmp_path / "maps.h5"


def test_every_image_comes_back_byte_for_byte(path: Path):
    packed = Packed(path, "maps")
    assert packed.ids == ["a", "b", "c", "d"]
    assert [packed[i] for i in range(len(packed))] == [data for _, data in ENTRIES]
    assert packed.metadata == {"made": "by hand"}


def test_offsets_mark_where_each_image_begins(path: Path):
    with h5py.File(path) as file:
        assert file["offsets"][:].tolist() == [0, 3, 3, 8, 9]  # type: ignore[index]
        assert file["bytes"][:].tobytes() == b"onethree4"  # type: ignore[index,union-attr]


def test_documented_lines_read_an_image(disc_images: Path):
    image = plain_reads.run(plain_reads.documented_read("images"), disc_images, "img_03")["image"]
    assert image.size == (48, 40)  # type: ignore[attr-defined]


@pytest.mark.parametrize("i", [-1, 4])
def test_index_outside_the_file_is_an_index_error(path: Path, i: int):
    with pytest.raises(IndexError):
        Packed(path, "maps")[i]


def test_splits_are_ascending_indices_and_all_is_everything(path: Path):
    packed = Packed(path, "maps")
    assert packed.split_names == ["train", "val"]
    assert packed.split("train").tolist() == [0, 3]
    assert packed.split("all").tolist() == [0, 1, 2, 3]


def test_unknown_split_is_refused_with_the_known_ones(path: Path):
    with pytest.raises(InputError, match="has no split 'test'; it has train, val and 'all'"):
        Packed(path, "maps").split("test")


def test_index_finds_every_id_and_names_a_missing_one(path: Path):
    packed = Packed(path, "maps")
    assert [packed.index(image_id) for image_id in "abcd"] == [0, 1, 2, 3]
    for missing in ("", "aa", "e"):
        with pytest.raises(InputError, match=f"holds no image {missing}; rerun"):
            packed.index(missing)


def test_columns_may_grow_while_entries_are_read(tmp_path: Path):
    heights: list[int] = []

    def entries():
        for height, entry in enumerate(ENTRIES):
            heights.append(height)
            yield entry

    write_packed(tmp_path / "x.h5", entries(), "images", columns={"height": heights})
    assert Packed(tmp_path / "x.h5", "images").dataset("height")[:].tolist() == [0, 1, 2, 3]


def test_data_larger_than_the_copy_buffer_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipeline.packed.COPY_BYTES", 4)
    data = bytes(range(256)) * 3
    write_packed(tmp_path / "x.h5", [("a", data), ("b", data[:7])], "maps")
    packed = Packed(tmp_path / "x.h5", "maps")
    assert (packed[0], packed[1]) == (data, data[:7])


def test_empty_set_can_be_written_and_read(tmp_path: Path):
    assert write_packed(tmp_path / "x.h5", [], "labels") == 0
    packed = Packed(tmp_path / "x.h5", "labels")
    assert len(packed) == 0 and packed.ids == [] and packed.split("all").tolist() == []
    with pytest.raises(InputError, match="holds no image a"):
        packed.index("a")


def test_second_write_in_another_second_gives_the_same_bytes(path: Path):
    first = path.read_bytes()
    time.sleep(1.1)
    write_packed(path, ENTRIES, "maps", splits={"val": ["b"], "train": ["a", "d"]}, metadata={"made": "by hand"})
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    "ids, problem",
    [("ba", "image id a comes after b"), ("abb", "image id b appears twice"), ("aba", "a comes after b")],
)
def test_ids_out_of_order_or_twice_are_refused(tmp_path: Path, ids: str, problem: str):
    with pytest.raises(InputError, match=f"{problem}; give every image one id and sort them"):
        write_packed(tmp_path / "x.h5", [(image_id, b"x") for image_id in ids], "maps")
    assert not any(tmp_path.iterdir())


def test_split_with_an_unknown_id_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="image id z is not among its 4 images; check the split list"):
        write_packed(tmp_path / "x.h5", ENTRIES, "maps", splits={"train": ["a", "z"]})
    assert not any(tmp_path.iterdir())


def test_failure_while_writing_leaves_the_old_file_and_nothing_else(path: Path):
    before = path.read_bytes()

    def entries():
        yield "a", b"new"
        raise RuntimeError("cut off")

    with pytest.raises(RuntimeError, match="cut off"):
        write_packed(path, entries(), "maps")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_replacing_makes_the_folder_and_swaps_only_at_the_end(tmp_path: Path):
    target = tmp_path / "deep" / "file"
    with replacing(target) as temporary:
        temporary.write_text("x")
        assert not target.exists()
    assert target.read_text() == "x" and list(target.parent.iterdir()) == [target]


def test_pickled_container_reads_on_without_its_handle(path: Path):
    packed = Packed(path, "maps")
    assert packed[0] == b"one"
    copy = pickle.loads(pickle.dumps(packed))
    assert copy[2] == b"three" and packed[2] == b"three"


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_forked_loader_processes_read_a_file_opened_before_the_fork(tmp_path: Path):
    rng = np.random.default_rng(0)
    entries = [(f"{i:03d}", rng.bytes(int(rng.integers(1, 5000)))) for i in range(200)]
    write_packed(tmp_path / "x.h5", entries, "maps")
    packed = Packed(tmp_path / "x.h5", "maps")
    assert packed[0] == entries[0][1]
    loader = DataLoader(
        packed,  # type: ignore[arg-type]
        batch_size=10,
        num_workers=2,
        collate_fn=list,
        multiprocessing_context="fork",
    )
    assert [data for batch in loader for data in batch] == [data for _, data in entries]
    assert packed[199] == entries[199][1]


def test_missing_file_says_how_to_make_it(tmp_path: Path):
    with pytest.raises(InputError, match="does not exist; run `dvc repro` or `dvc pull` to make it"):
        Packed(tmp_path / "gone.h5", "maps")


def test_file_that_is_no_hdf5_is_refused(tmp_path: Path):
    (tmp_path / "x.h5").write_text("plain text")
    with pytest.raises(InputError, match=r"is no readable HDF5 file .* delete it and run its stage again"):
        Packed(tmp_path / "x.h5", "maps")


def test_file_of_another_schema_is_refused(tmp_path: Path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["schema"] = "maskcontrast/masks"
    with pytest.raises(InputError, match="holds 'maskcontrast/masks' but 'maskcontrast/packed' is needed"):
        Packed(tmp_path / "x.h5", "maps")


@pytest.mark.parametrize("version", [2, None])
def test_file_of_another_version_is_refused(path: Path, version: int | None):
    with h5py.File(path, "a") as file:
        del file.attrs["version"]
        if version:
            file.attrs["version"] = version
    message = f"maps.h5 has version {version} of its layout but 1 is needed; delete it and run `dvc repro`"
    with pytest.raises(InputError, match=message):
        Packed(path, "maps")


@pytest.mark.parametrize("store", [MaskStore, EmbeddingStore, ClusterStore])
def test_every_store_checks_the_version(store: type[Container], tmp_path: Path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["schema"], file.attrs["version"] = store.schema, store.version + 1
    with pytest.raises(InputError, match=f"has version {store.version + 1} of its layout but {store.version} is"):
        store(tmp_path / "x.h5")


def test_file_of_another_content_is_refused(path: Path):
    with pytest.raises(InputError, match="holds maps, not images; check the stage's input paths"):
        Packed(path, "images")


def test_containers_of_different_images_are_told_apart(path: Path, tmp_path: Path):
    write_packed(tmp_path / "other.h5", [*ENTRIES[:3], ("dd", b"")], "maps")
    first, other = Packed(path, "maps"), Packed(tmp_path / "other.h5", "maps")
    first.require_ids(Packed(path, "maps"))
    with pytest.raises(InputError, match="differ at image d; rerun the stages that made them"):
        first.require_ids(other)
