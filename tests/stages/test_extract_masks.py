import json
from pathlib import Path

import numpy as np

from pipeline.images.codecs import encode_map
from pipeline.mask_store import MaskStore
from pipeline.packed import write_packed
from stages.extract_masks import main
from tests.conftest import disc


def test_both_sets_have_masks_and_the_results_are_the_targets(disc_maps: Path, tmp_path: Path) -> None:
    black = encode_map(np.zeros((8, 8), dtype=np.float32))
    write_packed(tmp_path / "benchmark.h5", [("black", black)], "maps")
    masks, benchmark_masks, results = tmp_path / "target_masks.h5", tmp_path / "benchmark_masks.h5", tmp_path / "out"
    main(disc_maps, tmp_path / "benchmark.h5", masks, benchmark_masks, results)
    assert (MaskStore(masks)[3] == disc(3)).all()
    assert (MaskStore(benchmark_masks).ids, MaskStore(benchmark_masks).rejected.tolist()) == (["black"], [True])
    summary = json.loads((results / "summary.json").read_text())
    assert (summary["images"], summary["rejected"]) == (12, 0)
