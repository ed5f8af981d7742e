import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.embedding_store import EmbeddingStore, write_embeddings
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
