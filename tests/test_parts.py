from pathlib import Path

import pytest

from pipeline import parts
from pipeline.packed import Packed
from pipeline.parts import write_in_parts
from pipeline.scratch import Scratch
from tests.interruptions import Interrupted


class Names:
    """Computes the entries of a batch, keeps in mind which it was asked for, and may stop at one."""

    def __init__(self, stop_at: int = -1) -> None:
        self.asked: list[list[int]] = []
        self.stop_at = stop_at

    def __call__(self, batch: range) -> list[tuple[str, bytes]]:
        if self.stop_at in batch:
            raise Interrupted
        self.asked.append(list(batch))
        return [(f"img_{i}", f"data {i}".encode()) for i in batch]


def test_entries_are_written_in_order_in_batches_of_which_the_last_may_be_smaller(tmp_path: Path):
    names = Names()
    write_in_parts(tmp_path / "all.h5", 8, 3, names, "maps", Scratch(tmp_path / "area"))
    packed = Packed(tmp_path / "all.h5", "maps")
    assert names.asked == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert packed.ids == [f"img_{i}" for i in range(8)]
    assert packed[7] == b"data 7"


def test_batches_that_were_done_are_not_computed_again(tmp_path: Path):
    scratch, whole, resumed = Scratch(tmp_path / "area"), tmp_path / "whole.h5", tmp_path / "resumed.h5"
    write_in_parts(whole, 8, 3, Names(), "maps", Scratch(tmp_path / "other"))
    with pytest.raises(Interrupted):
        write_in_parts(resumed, 8, 3, Names(stop_at=4), "maps", scratch)
    assert not resumed.exists()
    names = Names()
    write_in_parts(resumed, 8, 3, names, "maps", scratch)
    assert names.asked == [[3, 4, 5], [6, 7]]
    assert resumed.read_bytes() == whole.read_bytes()


def test_the_second_of_two_processes_takes_every_second_batch_and_leaves_the_file_to_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    names = Names()
    monkeypatch.setattr(parts, "processes", lambda: 2)
    monkeypatch.setattr(parts, "rank", lambda: 1)
    write_in_parts(tmp_path / "all.h5", 8, 2, names, "maps", Scratch(tmp_path / "area"))
    assert names.asked == [[2, 3], [6, 7]]
    assert not (tmp_path / "all.h5").exists()
