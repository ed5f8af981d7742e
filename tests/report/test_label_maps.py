"""Label maps by the clustering that predictions use."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.cluster_names import ClusterNames, named
from pipeline.cluster_store import Clustering, NamedClusterings, Projection, write_clusters
from pipeline.embedding_store import write_embeddings
from pipeline.mask_store import write_masks
from pipeline.packed import Packed, write_packed
from pipeline.report.label_maps import bundled_names, overlay_rows
from tests.conftest import disc


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "results" / "bundle_predictor").mkdir(parents=True)
    lines = ("cluster,name", "1,owl", "2,cat", "3,owl", "4,background")
    (tmp_path / "results" / "bundle_predictor" / "names.csv").write_text("\n".join(lines))
    return tmp_path / "results"


def labels(tmp_path: Path, *classes: str) -> Packed:
    write_packed(tmp_path / "l.h5", [], "labels", metadata={"classes": list(classes)})
    return Packed(tmp_path / "l.h5", "labels")


def test_names_that_are_classes_have_their_numbers_and_others_come_after(results: Path, tmp_path: Path) -> None:
    found = bundled_names(results, 5, labels(tmp_path, "background", "dog", "cat"))
    assert found.classes == ["background", "dog", "cat", "owl"]
    assert found.class_of.tolist() == [0, 3, 2, 3, 0]


def test_without_labels_names_are_numbered_as_they_come(results: Path, tmp_path: Path) -> None:
    assert bundled_names(results, 5, labels(tmp_path)).classes == ["background", "owl", "cat"]


def test_what_is_salient_has_the_class_of_its_cluster_by_the_seed_that_was_asked_for(
    tmp_path: Path, disc_images: Path
) -> None:
    images = Packed(disc_images, "images")
    saliency = [np.full((48, 48), 255, dtype=np.uint8)] * 12
    vectors = {"maskcontrast": np.ones((12, 1), dtype=np.float32)}
    write_embeddings(tmp_path / "e.h5", images.ids, saliency, vectors, 48, {"threshold": 0.5})
    write_masks(tmp_path / "m.h5", images.ids, np.array([[40, 48]] * 12), map(disc, range(12)))
    runs = {
        seed: Clustering(np.full(12, seed, dtype=np.int32), np.ones((3, 1), dtype=np.float32), 0.0) for seed in (0, 2)
    }
    projection = Projection(np.zeros(1, dtype=np.float32), np.ones((1, 1), dtype=np.float32))
    write_clusters(tmp_path / "c.h5", images.ids, {"maskcontrast": NamedClusterings(projection, {4: runs})}, {})

    def shown(seed: int, naming: ClusterNames) -> list[list[int]]:
        truth, places = labels(tmp_path), (tmp_path / "m.h5", tmp_path / "e.h5", tmp_path / "c.h5")
        return [np.unique(row.predicted).tolist() for row in overlay_rows(images, truth, *places, seed, naming, 2)]

    naming = named({1: "owl", 3: "cat"}, 4)
    assert shown(0, naming) == [[naming.classes.index("owl")]] * 2
    assert shown(2, naming) == [[naming.classes.index("cat")]] * 2
