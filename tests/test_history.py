from pathlib import Path

import pytest

from pipeline.history import History, write_results


def test_history_becomes_a_table_of_six_digits(tmp_path: Path) -> None:
    history = History()
    history.add(epoch=1, loss=1 / 3)
    history.add(epoch=2, loss=0.25)
    history.write_csv(tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text() == "epoch,loss\n1,0.333333\n2,0.25\n"


def test_rows_with_other_columns_are_refused() -> None:
    history = History()
    history.add(loss=1.0)
    with pytest.raises(ValueError, match="columns"):
        history.add(accuracy=1.0)


def test_results_folder_holds_summary_and_log(tmp_path: Path) -> None:
    write_results(tmp_path / "results" / "probe", {"miou": 12.5}, History())
    assert (tmp_path / "results" / "probe" / "summary.json").read_text() == '{\n  "miou": 12.5\n}\n'
    assert (tmp_path / "results" / "probe" / "log.csv").exists()
