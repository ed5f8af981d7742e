"""The scores beside those of pysodmetrics 1.6.2, whose figures for the cases below stand in pysodmetrics.csv.

It was given `levels / 255` and boolean objects with `normalize=False`; maxima were taken of its curves, F and IoU at
0.5 from their level 128. In the row `all` it saw all cases, so that the maxima are those of mean curves.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

from pipeline.metrics.saliency import GroundTruth, SaliencyScores


def disc(sides: tuple[int, int], row: int, column: int, radius: int) -> np.ndarray:
    rows, columns = np.ogrid[: sides[0], : sides[1]]
    return (rows - row) ** 2 + (columns - column) ** 2 < radius**2


def noise(sides: tuple[int, int]) -> np.ndarray:
    """Levels that look random, from whole numbers alone, so that every machine makes the same."""
    rows, columns = np.mgrid[: sides[0], : sides[1]]
    return ((73 * rows ^ 151 * columns) * 2654435761 >> 8) % 256


def cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Grey levels and objects of every case."""
    even, odd = (48, 64), (37, 51)
    blob, full = disc(even, 20, 25, 13), np.ones(odd, dtype=bool)
    two = disc(odd, 9, 12, 7) | disc(odd, 25, 40, 9)
    found = 180 * disc(odd, 10, 14, 8) + 90 * disc(odd, 25, 40, 14)
    return {
        "disc": ((noise(even) + 510 * disc(even, 22, 29, 13)) // 3, blob),
        "two": ((noise(odd) + 3 * found) // 4, two),
        "noise": (noise(even), blob),
        "perfect": (255 * blob, blob),
        "inverted": (255 * ~blob, blob),
        "black": (0 * blob, blob),
        "grey": (0 * blob + 100, blob),
        "white": (0 * blob + 255, blob),
        "empty": (noise(odd), ~full),
        "full": (noise(odd), full),
        "edge": (noise(odd) // 2 + 100 * disc(odd, 2, 45, 9), disc(odd, 0, 47, 9)),
        "pixel": (noise(odd) // 4 + 190 * disc(odd, 18, 20, 2), disc(odd, 18, 20, 1)),
    }


RECORDED = list(csv.DictReader((Path(__file__).parent / "pysodmetrics.csv").read_text().splitlines()))


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: row["case"])
def test_the_scores_are_those_of_pysodmetrics(row: dict[str, str]) -> None:
    made = cases()
    scores = SaliencyScores(0.3)
    for levels, objects in made.values() if row["case"] == "all" else [made[row["case"]]]:
        scores.add(levels / 255, GroundTruth(objects.astype(np.uint8)))
    expected = {name: float(value) for name, value in row.items() if name != "case"}
    # Its E-measure adds an epsilon that exact counts do not need; on the smallest object that makes 4e-10.
    assert scores.summary() == pytest.approx({"images": scores.images} | expected, rel=0, abs=1e-9)


def test_every_case_was_recorded() -> None:
    assert [row["case"] for row in RECORDED] == [*cases(), "all"]
