import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.embedding_store import EmbeddingStore, cutoff, join_embeddings, write_embeddings
from pipeline.errors import InputError
from tests import plain_reads

SALIENCY = np.arange(2 * 16, dtype=np.uint8).reshape(2, 4, 4) * 8
TABLES = {
    "start": np.array([[0, 1, 0], [0, 0, 0]], dtype=np.float32),
    "maskcontrast": np.array([[0.6, 0.8], [1, 0]], dtype=np.float32),
}


def write(path: Path, saliency: Iterator[np.ndarray] | np.ndarray = SALIENCY) -> Path:
    write_embeddings(path, ["a", "b"], saliency, TABLES, 4, {"threshold": 0.5})
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "embeddings.h5")


def test_tables_come_back_by_name(path: Path):
    store = EmbeddingStore(path)
    assert store.names == ["maskcontrast", "start"]
    for name, table in TABLES.items():
        assert np.array_equal(store.embeddings(name), table)


def test_foreground_is_strictly_above_the_threshold(path: Path):
    # 0.5 is level 128 of 255, which itself is background.
    assert np.array_equal(EmbeddingStore(path).foreground(1), SALIENCY[1] > 128)
    assert 128 in SALIENCY[1]


def test_a_logit_of_a_half_is_level_159_like_its_probability():
    assert cutoff(1 / (1 + np.exp(-0.5))) == 159


CELL_ROWS = np.arange(3 * 2 * 2 * 2, dtype=np.float16).reshape(3, 2, 2, 2)


@pytest.fixture
def joined(tmp_path: Path) -> EmbeddingStore:
    """Three files joined: of the images a and b with cells of b, of c without cells, of d and e with cells of both."""
    parts = []
    for name, ids, rows, cell_images in (("0", "ab", [0], [1]), ("1", "c", [], []), ("2", "de", [1, 2], [0, 1])):
        tables = {"start": np.array([[ord(image_id), 1] for image_id in ids], dtype=np.float32)}
        saliency = np.stack([np.full((4, 4), ord(image_id), dtype=np.uint8) for image_id in ids])
        parts.append(tmp_path / f"{name}.h5")
        write_embeddings(parts[-1], list(ids), saliency, tables, 4, {}, {"start": CELL_ROWS[rows]}, cell_images)
    join_embeddings(tmp_path / "joined.h5", parts, {"threshold": 0.5})
    return EmbeddingStore(tmp_path / "joined.h5")


def test_joined_files_hold_the_rows_of_all_in_order(joined: EmbeddingStore):
    assert (joined.ids, joined.names, joined.cell_names) == (list("abcde"), ["start"], ["start"])
    assert joined.metadata == {"threshold": 0.5}
    assert joined.embeddings("start")[:, 0].tolist() == [97, 98, 99, 100, 101]
    assert joined.dataset("saliency")[:, 0, 0].tolist() == [97, 98, 99, 100, 101]
    assert joined.dataset("saliency").chunks == (1, 4, 4)
    assert joined.dataset("cell_images")[:].tolist() == [1, 3, 4]


def test_cells_are_found_by_image(joined: EmbeddingStore):
    assert np.array_equal(joined.cells("start", np.array([1, 3, 4])), CELL_ROWS)
    assert np.array_equal(joined.cells("start", np.array([1, 4])), CELL_ROWS[[0, 2]])


def test_an_image_without_cells_is_named(joined: EmbeddingStore):
    with pytest.raises(InputError, match=r"cells of 3 images and none of c; add its split to embed.cells.splits"):
        joined.cells("start", np.array([1, 2, 3]))


def test_files_out_of_order_are_not_joined(joined: EmbeddingStore, tmp_path: Path):
    with pytest.raises(InputError, match="image id a comes after e"):
        join_embeddings(tmp_path / "odd.h5", [tmp_path / "2.h5", tmp_path / "0.h5"], {})
    assert not (tmp_path / "odd.h5").exists()


def test_documented_lines_read_an_embedding(path: Path):
    found = plain_reads.run(plain_reads.documented_read("embeddings"), path, "b")
    assert np.array_equal(found["embedding"], [1, 0])  # type: ignore[arg-type]
    assert found["saliency"] == pytest.approx(SALIENCY[1] / 255)


def test_second_write_in_another_second_gives_the_same_bytes(path: Path):
    first = path.read_bytes()
    time.sleep(1.1)
    assert write(path, iter(SALIENCY)).read_bytes() == first


def test_failure_while_saliency_is_streamed_leaves_nothing(tmp_path: Path):
    def cut_off() -> Iterator[np.ndarray]:
        yield SALIENCY[0]
        raise RuntimeError("cut off")

    with pytest.raises(RuntimeError, match="cut off"):
        write(tmp_path / "embeddings.h5", cut_off())
    assert not any(tmp_path.iterdir())


def test_store_refuses_a_packed_file(disc_images: Path):
    with pytest.raises(InputError, match="'maskcontrast/embeddings' is needed"):
        EmbeddingStore(disc_images)
