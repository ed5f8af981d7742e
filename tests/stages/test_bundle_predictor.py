import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.cluster_names import read_table
from pipeline.cluster_store import Clustering, NamedClusterings, Projection, write_clusters
from pipeline.contrast.predictor import load_predictor
from pipeline.derived_params import threshold_probability
from pipeline.embedding_store import write_embeddings
from pipeline.errors import InputError
from stages.bundle_predictor import main
from tests.profiles import SAMPLE

IDS = ["a", "b"]


@pytest.fixture
def inputs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path, Path]:
    """The encoder of a tiny run, embeddings and clusters of K 6, and an empty folder of the matching."""
    monkeypatch.chdir(folder)
    pool = {"preset": "official_code", **SAMPLE.embed.official_code.model_dump()}
    threshold = threshold_probability(SAMPLE.embed.official_code)
    metadata = {"size": 48, "features": "decoder", "pooling": pool, "threshold": threshold}
    table = {"maskcontrast": np.eye(2, 32, dtype=np.float32)}
    write_embeddings(folder / "embeddings.h5", IDS, np.zeros((2, 48, 48), dtype=np.uint8), table, 48, metadata)
    projection = Projection(np.arange(32, dtype=np.float32), np.eye(32, 4, dtype=np.float32))
    runs = {
        seed: Clustering(np.array([0, 4], dtype=np.int32), np.full((5, 4), seed, dtype=np.float32), 0.0)
        for seed in (0, 1)
    }
    write_clusters(folder / "clusters.h5", IDS, {"maskcontrast": NamedClusterings(projection, {6: runs})}, {})
    (folder / "match_clusters").mkdir()
    (folder / "match_clusters" / "summary.json").write_text("{}")
    return folder / "encoder.pt", folder / "embeddings.h5", folder / "clusters.h5", folder / "match_clusters"


def matched(results: Path) -> None:
    """The results of a matching, in which another protocol, K, seed and table say something else."""
    rows = [f"maskcontrast,6,0,a,{k},{name}" for k, name in enumerate(["fish", "comb", "background", "moon", "comb"])]
    other = ["start,6,0,a,1,ring", "maskcontrast,6,1,a,1,ring", "maskcontrast,6,0,b,1,ring"]
    lines = ["name,clusters,seed,protocol,cluster,class", *rows, *other]
    (results / "mapping.csv").write_text("\n".join(lines) + "\n")
    with h5py.File(results / "confusions.h5", "w") as file:
        file.attrs["classes"] = json.dumps(["background", "star", "fish", "moon", "comb", "ring"])


def test_a_bundle_holds_what_was_used_and_the_classes_of_the_matching(inputs: tuple[Path, Path, Path, Path]) -> None:
    matched(inputs[3])
    main(*inputs, Path("out/predictor.pt"), Path("out/results"))
    found = load_predictor(Path("out/predictor.pt"))
    assert (found.size, found.features, found.pooling) == (48, "decoder", SAMPLE.embed.official_code)
    assert found.projection.mean[3] == 3 and found.projection.matrix.shape == (32, 4)
    assert (found.centroids == 0).all()
    assert found.naming.names == ["background", "comb", "background", "moon", "comb", "cluster 5"]
    assert found.naming.classes == ["background", "star", "fish", "moon", "comb", "ring", "cluster 5"]
    assert read_table(Path("out/results/names.csv"), 6).names == found.naming.names


def test_without_labels_clusters_are_called_by_number(inputs: tuple[Path, Path, Path, Path]) -> None:
    main(*inputs, Path("out/predictor.pt"), Path("out/results"))
    naming = load_predictor(Path("out/predictor.pt")).naming
    assert naming.names == naming.classes == ["background", *(f"cluster {k}" for k in range(1, 6))]


def test_a_table_stands_in_place_of_the_matching(inputs: tuple[Path, Path, Path, Path]) -> None:
    matched(inputs[3])
    Path("names.csv").write_text("cluster,name\n5,whale\n")
    main(*inputs[:3], Path("names.csv"), Path("out/predictor.pt"), Path("out/results"))
    assert load_predictor(Path("out/predictor.pt")).naming.classes[:2] == ["background", "whale"]


def test_a_wrong_table_leaves_nothing(inputs: tuple[Path, Path, Path, Path]) -> None:
    Path("names.csv").write_text("cluster,name\n6,whale\n")
    with pytest.raises(InputError, match=r"names\.csv, line 2: cluster '6' is none of the clusters 1 to 5"):
        main(*inputs[:3], Path("names.csv"), Path("out/predictor.pt"), Path("out/results"))
    assert not os.path.lexists("out")
