import numpy as np
import pytest

from pipeline.report.published import CLASS_IOU, Cell, published

CELLS = published()


def cells(table: str, column: str = "") -> dict[str, float]:
    return {cell.row: cell.value for cell in CELLS if cell.table == table and column in ("", cell.column)}


def test_the_classes_have_the_published_means() -> None:
    linear, kmeans = np.array(list(CLASS_IOU.values())).mean(axis=0)
    assert linear == pytest.approx(63.95, abs=0.005)
    assert kmeans == pytest.approx(43.92, abs=0.005)
    assert len(CLASS_IOU) == 21


def test_no_number_stands_twice_and_all_are_percent() -> None:
    places = [cell[:3] for cell in CELLS]
    assert len(set(places)) == len(places)
    assert all(0 < cell.value < 100 for cell in CELLS)


def test_tables_that_repeat_a_number_agree() -> None:
    assert cells("4", "K = 21").items() <= cells("3", "K-means").items()
    shared = cells("1").keys() & cells("3", "linear").keys()
    assert len(shared) == 6
    assert all(cells("1")[row] == cells("3", "linear")[row] for row in shared)
    assert cells("2b")["views, memory, momentum"] == cells("2a")["unsupervised saliency"] == 58.4
    assert cells("5")["pretrained on PASCAL"] == 47.0  # the last of two columns
    assert cells("5", "on PASCAL")["pretrained on PASCAL"] == cells("2a")["supervised saliency"]
    assert cells("CRF").keys() <= cells("1").keys()


def test_more_clusters_more_labels_and_more_mechanisms_give_more() -> None:
    for table, axis in (("4", "column"), ("6", "column"), ("2b", "row")):
        series: dict[str, list[float]] = {}
        for cell in CELLS:
            if cell.table == table:
                series.setdefault(cell.row if axis == "column" else "", []).append(cell.value)
        assert all(values == sorted(values) and len(values) > 3 for values in series.values())


@pytest.mark.parametrize("method", ["Co-Occurrence", "CMP", "Colorization", "IIC"])
def test_methods_that_are_not_run_here_are_quoted(method: str) -> None:
    quoted: list[Cell] = [cell for cell in CELLS if cell.row == method]
    assert len(quoted) == 2
    assert all(cell.sources == () for cell in quoted)
