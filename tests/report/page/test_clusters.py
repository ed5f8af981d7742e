from pathlib import Path

import numpy as np
import pytest

from pipeline.cluster_store import Clustering, ClusterStore, NamedClusterings, Projection, write_clusters
from pipeline.embedding_store import EmbeddingStore, write_embeddings
from pipeline.packed import Packed
from pipeline.report.page import clusters
from pipeline.report.page.strips import neighbour_strip
from tests.conftest import disc

# Twelve images on a line: one with nothing salient, seven near 0, three near 1, and one between them.
PLACES = np.array([0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.45, 0.9, 1.0, 1.1, 0], dtype=np.float32)


@pytest.fixture
def made(tmp_path: Path, disc_images: Path) -> tuple[Packed, EmbeddingStore, clusters.Members]:
    images = Packed(disc_images, "images")
    angles = PLACES * np.pi / 2
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    vectors[-1] = 0
    saliency = [np.zeros((48, 48), dtype=np.uint8) + np.pad(255 * disc(i), ((0, 8), (0, 0))) for i in range(12)]
    saliency = [each.astype(np.uint8) for each in saliency]
    write_embeddings(tmp_path / "e.h5", images.ids, saliency, {"maskcontrast": vectors}, 48, {"threshold": 0.5})
    assigned = np.array([0] * 8 + [1] * 3 + [-1], dtype=np.int32)
    run = Clustering(assigned, np.array([[1, 0], [0, 1]], dtype=np.float32), 0.0)
    flat = Projection(np.zeros(2, dtype=np.float32), np.eye(2, dtype=np.float32))
    write_clusters(
        tmp_path / "c.h5", images.ids, {"maskcontrast": NamedClusterings(flat, {3: {0: run}})}, {"split": "all"}
    )
    stored = EmbeddingStore(tmp_path / "e.h5")
    return images, stored, clusters.members_of(ClusterStore(tmp_path / "c.h5"), stored, 3, seed=0)


def test_members_have_their_nearest_clusters_and_how_narrow_it_was(made) -> None:
    members = made[2]
    assert members.rows.tolist() == list(range(11))
    assert members.second.tolist() == [1] * 8 + [0] * 3
    assert members.distance[0] == 0 and members.distance[9] == pytest.approx(0, abs=1e-5)
    assert members.margin.argmin() == 7
    assert members.margin[0] == pytest.approx(2**0.5, abs=1e-5)


def test_a_card_shows_the_nearest_and_of_the_others_the_narrowest(made, monkeypatch: pytest.MonkeyPatch) -> None:
    images, stored, members = made
    monkeypatch.setattr(clusters, "NEAR", 2)
    monkeypatch.setattr(clusters, "BORDERLINE", 3)
    monkeypatch.setattr(clusters, "object_picture", lambda images, stored, image_id, side: image_id)
    large, small = clusters.cluster_sheet(images, stored, members, ["left", "right"]).cards
    assert large[:2] == ("left", "8 objects")
    (_, near), (_, borderline) = large[2]
    assert [tile.picture for tile in near] == ["img_00", "img_01"]
    assert [(tile.picture, tile.text) for tile in borderline] == [
        ("img_07", "or right"),
        ("img_06", "or right"),
        ("img_05", "or right"),
    ]
    assert [tile.picture for tile in small[2][0][1]] == ["img_09", "img_08"]


def test_the_map_holds_no_more_points_than_it_may(made, monkeypatch: pytest.MonkeyPatch) -> None:
    images, stored, members = made
    assert len(clusters.map_points(images, stored, members)[0]) == 11
    monkeypatch.setattr(clusters, "POINTS", 4)
    points, _ = clusters.map_points(images, stored, members)
    assert [point.image_id for point in points] == ["img_00", "img_03", "img_06", "img_10"]
    assert all(point.picture.startswith("data:image/webp;base64,") for point in points)


def test_the_plane_is_that_of_the_principal_components() -> None:
    rng = np.random.default_rng(0)
    wide = (rng.normal(size=(200, 3)) * [5, 0.1, 1]).astype(np.float32)
    places, shares = clusters.plane(wide)
    assert abs(np.corrcoef(places[:, 0], wide[:, 0])[0, 1]) > 0.999
    assert abs(np.corrcoef(places[:, 1], wide[:, 2])[0, 1]) > 0.99
    variances = wide.var(axis=0)
    assert shares == pytest.approx(
        [100 * variances[0] / variances.sum(), 100 * variances[2] / variances.sum()], abs=0.5
    )
    assert np.array_equal(clusters.plane(-wide)[0], -places)


def test_points_on_a_line_have_a_plane_too() -> None:
    places, shares = clusters.plane(np.array([[1], [2], [4]], dtype=np.float32))
    assert places.shape == (3, 2) and places[:, 1].tolist() == [0, 0, 0]
    assert shares == [100, 0]


def test_neighbours_are_the_most_similar_salient_ones_and_marked_where_named_otherwise(made) -> None:
    images, stored, _ = made
    strip = neighbour_strip(images, stored, ["img_00", "img_11"], lambda image_id: "a" if image_id < "img_02" else "b")
    ((query, tiles),) = strip.rows  # nothing is salient in the other
    assert query == "img_00"
    assert [tile.text for tile in tiles] == ["a", "a", "b", "b", "b", "b", "b", "b"]
    assert [tile.marked for tile in tiles] == [False, False] + [True] * 6
