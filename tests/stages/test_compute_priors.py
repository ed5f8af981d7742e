from pathlib import Path

import numpy as np
import pytest

from pipeline.images.codecs import decode_map
from pipeline.packed import Packed
from stages.compute_priors import main
from tests.conftest import disc


def test_the_maps_show_the_discs_and_do_not_depend_on_the_number_of_processes(
    disc_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for processes in "12":
        monkeypatch.setenv("MASKCONTRAST_WORKERS", processes)
        out = tmp_path / processes
        main("rbd", disc_images, disc_images, out / "proposal.h5", out / "benchmark.h5")
    for name in ("proposal.h5", "benchmark.h5"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()

    maps = Packed(tmp_path / "1" / "proposal.h5", "maps")
    assert maps.ids == Packed(disc_images, "images").ids
    for i in range(len(maps)):
        saliency, inside = decode_map(maps[i]), disc(i)
        assert saliency.shape == inside.shape
        assert np.mean(saliency[inside]) > 0.8
        assert np.mean(saliency[~inside]) < 0.1
