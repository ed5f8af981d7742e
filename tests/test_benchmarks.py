import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import __main__ as command, measure


def test_the_list_names_every_module_with_a_line(capsys: pytest.CaptureFixture[str]):
    modules = {path.stem for path in Path(measure.__file__).parent.glob("*.py")} - {"__init__", "__main__", "measure"}
    assert command.main(["--list"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines.keys() == modules
    assert all(line.endswith(".") and len(line) > 20 for line in lines.values())


def test_an_unknown_name_is_answered_with_the_known_ones(capsys: pytest.CaptureFixture[str]):
    assert command.main(["nonsense"]) == 2
    assert "basnet_loss" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "smaller"),
    [
        ("rbd", {"WIDTH": 80, "HEIGHT": 60, "ROUNDS": 1}),
        ("priors", {"WIDTH": 40, "HEIGHT": 30, "ROUNDS": 1, "IMAGES": 2}),
        ("matching", {"IMAGES": 2, "CLASSES": 6}),
        ("matching_memory", {"MANY": 8, "FEW": 4, "SEEDS": 1, "GRID": 2, "OVER_CLUSTERS": 30, "matching.IMAGES": 2}),
        ("mask_store", {"MASKS": 20, "ROUNDS": 1}),
        ("loss", {"BATCH": 2, "SIZE": 64}),
        ("loss_memory", {"BATCH": 16, "SIZE": 128, "LONG_QUEUE": 256}),
        ("pretrain_step", {"BATCH": 2, "SIZE": 48, "STEPS": 1}),
        ("basnet_loss", {"BATCH": 1, "SIZE": 32, "ROUNDS": 1}),
        ("crf", {"BATCH": 2, "SIZE": 96, "ROUNDS": 1}),
        ("kmeans", {"POINTS": 80, "MORE_CLUSTERS": 30, "ROUNDS": 1}),
        ("probe", {"BATCH": 2, "SIZE": 32, "ROUNDS": 1}),
        ("momentum", {"BACKBONE": "lcnet_050", "ROUNDS": 1}),
        ("predict", {"BACKBONE": "lcnet_050", "IMAGES": 3, "HEIGHT": 60, "WIDTH": 80, "SIZE": 48, "ROUNDS": 1}),
        (
            "views_cached",
            {"views.IMAGES": 2, "views.HEIGHT": 75, "views.WIDTH": 100, "views.SIZE": 32, "views.ROUNDS": 1},
        ),
        ("views", {"IMAGES": 2, "HEIGHT": 75, "WIDTH": 100, "SIZE": 32, "ROUNDS": 1}),
    ],
)
def test_a_benchmark_ends_with_one_line_of_its_numbers(
    name: str, smaller: dict[str, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for constant, value in smaller.items():
        monkeypatch.setattr(f"benchmarks.{name}.{constant}", value)
    assert command.main([name]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["name"] == name
    assert result["unit"] in ("s", "ms", "MiB")
    assert result["ratio"] == pytest.approx(result["reference"] / result["ours"])


def test_candidates_are_called_in_turn_after_one_unmeasured_call():
    calls = []
    measure.interleaved(lambda: calls.append("ours"), lambda: calls.append("reference"), rounds=3)
    assert calls == ["ours", "reference"] * 4


def test_interleaved_gives_the_median_of_each(monkeypatch: pytest.MonkeyPatch):
    # Clock readings in pairs; ours takes 5, 1, 3 and the reference 10, 30, 20.
    readings = iter([0, 5, 5, 15, 15, 16, 16, 46, 46, 49, 49, 69])
    monkeypatch.setattr(time, "process_time", lambda: next(readings))
    assert measure.interleaved(lambda: None, lambda: None, rounds=3) == (3, 20)


def test_peak_growth_sees_a_large_array_and_not_a_small_one():
    # In a process of its own, since the peak of this one may already be high.
    source = "import benchmarks.measure as m; print(m.peak_growth(lambda: bytearray(b'x') * ({size} << 20)))"
    large, small = (_printed(source.format(size=size)) for size in (64, 1))
    assert large >= 60 << 20
    assert small < 20 << 20


def _printed(source: str) -> int:
    return int(subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout)


def test_in_subprocess_reads_the_last_line_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "candidate.py").write_text("import sys\nprint('noise')\nprint(7 * int(sys.argv[1]))\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert measure.in_subprocess("candidate", "6") == 42
