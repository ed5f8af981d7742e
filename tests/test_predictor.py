"""What a model finds in single images, and the file that it is."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import predict
from pipeline.contrast.objects import WHOLE, ObjectRule, find_objects, regions_of
from pipeline.contrast.predictor import Predictor, bundle, load_predictor, save_predictor
from pipeline.errors import InputError
from pipeline.predictions.photos import Photo
from pipeline.predictions.record import Prediction
from tests.dag_graph import closure, imports
from tests.predicted_photos import CHOSEN, CPU, ROOT, SIZE
from tests.profiles import changed


@pytest.fixture(scope="module")
def predictor(learned: Path) -> Predictor:
    return load_predictor(learned / "predictor.pt")


def predicted(predictor: Predictor, path: Path, options: predict.Options) -> Prediction:
    with ThreadPoolExecutor(1) as pool:
        found = predict.predict(predictor, [Photo(path, path.name)], options, CPU, pool)
        prediction = next(found)
    assert isinstance(prediction, Prediction)
    return prediction


def test_components_are_pooled_each_alone(predictor: Predictor, learned: Path) -> None:
    whole, parts = (
        predicted(predictor, learned / "photos" / "05.png", predict.Options(rule=ObjectRule(kind, 0.01)))
        for kind in ("whole", "components")
    )
    assert len(whole.objects) == 1 < len(parts.objects)
    areas = [found.area for found in parts.objects]
    assert sum(areas) <= whole.objects[0].area and min(areas) > 0.005 * parts.regions.size
    assert len({found.confidence for found in parts.objects}) == len(parts.objects)


def test_regions_are_numbered_by_size_and_small_ones_left_out() -> None:
    foreground = np.zeros((10, 10), dtype=bool)
    foreground[0, :3], foreground[4:7, 4:7], foreground[9, 9] = True, True, True
    regions = regions_of(foreground, ObjectRule("components", 0.02))
    assert [int((regions == i).sum()) for i in (1, 2)] == [9, 3] and regions.max() == 2
    assert (regions_of(foreground, WHOLE) == foreground).all()
    assert regions_of(foreground, ObjectRule("components", 0.5)).max() == 0


def test_batches_and_company_do_not_matter(predictor: Predictor) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*grid, SIZE, SIZE, 3), dtype=np.uint8) for grid in ((1, 1), (2, 1), (1, 1), (2, 3))]
    rule = ObjectRule("components", 0.01)
    together = find_objects(predictor, images, rule, 3, CPU)
    alone = [find_objects(predictor, [image], rule, 16, CPU)[0] for image in images]
    for one, other in zip(together, alone, strict=True):
        assert (one.regions == other.regions).mean() > 0.999
        assert one.clusters == other.clusters
        assert np.allclose(one.confidences, other.confidences, atol=1e-3)
    assert together[3].regions.shape == (2 * SIZE, 3 * SIZE)


def test_an_object_reaches_over_tiles(predictor: Predictor, learned: Path, tmp_path: Path) -> None:
    """Four copies of one image side by side, a tile each, are one object with the embedding of the one image."""
    with Image.open(learned / "photos" / "05.png") as image:
        small = np.asarray(image.convert("RGB").resize((SIZE, SIZE)))
    Image.fromarray(small).save(tmp_path / "one.png")
    Image.fromarray(np.tile(small, (2, 2, 1))).save(tmp_path / "four.png")
    one = predicted(predictor, tmp_path / "one.png", predict.Options())
    four = predicted(predictor, tmp_path / "four.png", predict.Options(tile_pixels=SIZE * SIZE))
    assert (np.tile(one.regions, (2, 2)) == four.regions).mean() > 0.9  # apart from the seams, where maps are blended
    assert len(four.objects) == 1
    assert four.objects[0].cluster == one.objects[0].cluster
    assert abs(four.objects[0].confidence - one.objects[0].confidence) < 0.1


def test_a_bundle_is_the_same_bytes_again_and_names_a_missing_clustering(learned: Path, tmp_path: Path) -> None:
    parts = [learned / f"{part}.h5" for part in ("embeddings", "clusters")]
    saved = load_predictor(learned / "predictor.pt")
    save_predictor(tmp_path / "again.pt", saved)
    assert (tmp_path / "again.pt").read_bytes() == (learned / "predictor.pt").read_bytes()
    for change in ({"clusters": 9}, {"seed": 7}):
        with pytest.raises(InputError, match="has no clustering of K . and seed ."):
            bundle(learned / "encoder.pt", parts[0], parts[1], changed(CHOSEN, **change), saved.naming)


def test_neither_dvc_nor_the_reader_of_parameters_is_used() -> None:
    """That no params.yaml is needed shows in `written`, whose folder has none."""
    sources = {path.relative_to(ROOT).as_posix(): path.read_text() for path in ROOT.glob("pipeline/**/*.py")}
    loaded = closure("pipeline.predict", sources)
    assert "pipeline/contrast/objects.py" in loaded
    used = set().union(*(imports(sources[path]) for path in loaded))
    assert not {name for name in used if name.split(".")[0] == "dvc"}
    assert not used & {"pipeline.params.load", "pipeline.scratch"}
