import csv
import json
from itertools import product
from pathlib import Path
from shutil import copy

import numpy as np
import pytest

from pipeline.images.codecs import encode_map, encode_png
from pipeline.mask_store import write_masks
from pipeline.packed import write_packed
from pipeline.params import load
from stages.score_saliency import main
from tests.conftest import disc

Inputs = tuple[Path, Path, Path, Path, Path, Path, Path, Path]
IDS = [f"img_{i:02d}" for i in range(12)]


@pytest.fixture
def inputs(disc_images: Path, disc_maps: Path, tmp_path: Path) -> Inputs:
    """Good maps everywhere but from the last prior, which is black; the last benchmark image and target have no truth.

    The first mask is rejected and the others are perfect, of both sets.
    """
    (tmp_path / "priors").mkdir()
    (tmp_path / "masks").mkdir()
    *good, last = load().sweep.priors
    for name in good:
        copy(disc_maps, tmp_path / "priors" / f"{name}.h5")
    black = encode_map(np.zeros((40, 48), dtype=np.float32))
    write_packed(tmp_path / "priors" / f"{last}.h5", [(image_id, black) for image_id in IDS], "maps")
    truth = [(image_id, encode_png(disc(i).astype(np.uint8))) for i, image_id in enumerate(IDS[:-1])]
    write_packed(tmp_path / "photos.h5", truth, "labels", metadata={"classes": ["background", "object"]})
    masks = (disc(i) & (i > 0) for i in range(12))
    write_masks(tmp_path / "masks" / "photos.h5", IDS, np.tile([40, 48], (12, 1)), masks)
    copy(tmp_path / "masks" / "photos.h5", tmp_path / "masks" / "benchmark.h5")
    labels = tmp_path / "photos.h5"
    priors = tmp_path / "priors"
    return disc_images, labels, priors, priors, disc_maps, disc_maps, tmp_path / "masks", labels


def test_every_source_is_scored_on_the_images_with_ground_truth(inputs: Inputs, tmp_path: Path):
    main(*inputs, tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    *good, last = load().sweep.priors
    refined = [f"refined_{name}" for name in (*good, last)]
    val = summary["maps"]["val"]
    assert (tmp_path / "out" / "maps.png").stat().st_size > 1000
    assert set(summary["maps"]) == {"train", "val"}
    assert list(val) == [*good, last, "prior_mean", *refined, "pseudolabels", "basnet", "masks"]
    assert val["basnet"]["images"] == 3
    assert val["basnet"]["max_f"] == pytest.approx(1)
    assert val["basnet"]["mae"] == pytest.approx(0.1, abs=0.002)
    assert val[last]["iou_at_half"] == 0
    # A map of 0.9 and 0.1 averaged with black maps still separates the object, at another threshold.
    assert val["prior_mean"]["max_f"] == pytest.approx(1)
    assert val["masks"]["s_measure"] == pytest.approx(1)
    assert summary["maps"]["train"]["masks"]["iou_at_half"] == 7 / 8
    assert summary["masks"] == {"images": 11, "rejected": 1, "iou": 1, "precision": 1, "recall": 1}


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_tables_hold_every_split_source_image_and_gain(inputs: Inputs, tmp_path: Path):
    main(*inputs, tmp_path / "out")
    scores, images, gains = (rows_of(tmp_path / "out" / f"{name}.csv") for name in ("scores", "images", "gains"))
    priors = load().sweep.priors
    refined = [f"refined_{name}" for name in priors]
    sources = [*priors, "prior_mean", *refined, "pseudolabels", "basnet", "masks"]
    assert [(row["split"], row["source"]) for row in scores] == list(product(("train", "val"), sources))
    of_val = [row for row in images if row["split"] == "val"]
    assert [(row["image"], row["source"]) for row in of_val] == list(product(IDS[8:11], sources))
    for row in scores[len(sources) :]:
        own = [float(image["mae"]) for image in of_val if image["source"] == row["source"]]
        assert float(row["mae"]) == pytest.approx(np.mean(own), abs=1e-5)
    # The last of the refined maps are black, and the fused ones are not.
    chosen = ("pseudolabels", refined[-1], "iou_at_half")
    fused = [list(row.values()) for row in gains if (row["source"], row["before"], row["score"]) == chosen]
    assert fused == [[split, *chosen, "1", "1", "1"] for split in ("train", "val")]


def test_without_ground_truth_there_are_counts_and_no_scores(inputs: Inputs, tmp_path: Path):
    write_packed(inputs[1], [], "labels", metadata={"classes": []})
    main(*inputs, tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["maps"]["train"]["basnet"] == {"images": 0}
    assert summary["masks"] == {"images": 0, "rejected": 0}
    assert not (tmp_path / "out" / "maps.png").exists()
    assert (tmp_path / "out" / "gains.csv").read_text() == "split,source,before,score,difference,low,high\n"
