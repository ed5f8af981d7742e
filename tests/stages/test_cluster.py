from pathlib import Path

import numpy as np
import pytest

from pipeline.cluster_store import ClusterStore
from pipeline.embedding_store import write_embeddings
from pipeline.params import load
from stages import cluster


def test_the_split_is_clustered_for_every_table_k_and_seed(
    disc_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ids, rng = [f"img_{i:02d}" for i in range(12)], np.random.default_rng(0)
    tables = {name: rng.normal(size=(12, d)).astype(np.float32) for name, d in (("start", 6), ("maskcontrast", 4))}
    cells = {
        name: rng.normal(size=(10, g, g, d)).astype(np.float16)
        for name, g, d in (("start", 2, 6), ("maskcontrast", 3, 4))
    }
    saliency = np.zeros((12, 4, 4), np.uint8)
    write_embeddings(tmp_path / "e.h5", ids, saliency, tables, 4, {"threshold": 0.5}, cells, range(10))
    options = load().cluster.model_copy(update={"split": "train", "clusters": [3, 5], "seeds": [0, 1]})
    params = load().model_copy(update={"cluster": options})
    monkeypatch.setattr(cluster, "load", lambda: params)
    for out in ("first.h5", "second.h5"):
        cluster.main(disc_images, tmp_path / "e.h5", tmp_path / out)
    store = ClusterStore(tmp_path / "first.h5")
    assert (store.ids, store.metadata) == (ids[:8], {"split": "train"})
    grids = {"maskcontrast": 0, "maskcontrast_pixels": 3, "start": 0, "start_pixels": 2}
    assert {name: store.grid(name) for name in store.names} == grids
    assert store.runs("maskcontrast_pixels", 5)[1].assignments.shape == (8 * 9,)
    assert {k: list(store.runs("start", k)) for k in store.clusters("start")} == {3: [0, 1], 5: [0, 1]}
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()
