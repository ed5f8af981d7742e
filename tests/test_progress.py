import pytest

from pipeline.progress import Speed, track


def test_track_yields_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(iter("abc"), "letters", total=3)) == ["a", "b", "c"]
    assert "letters: 100%" in capsys.readouterr().err


def test_speed_is_that_of_the_items_since_it_was_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([100.0, 104.0, 104.0, 109.0, 109.0])
    monkeypatch.setattr("time.monotonic", lambda: next(readings))
    speed = Speed()
    speed.count(5)
    speed.count(3)
    assert speed.restart() == 2
    speed.count(20)
    assert speed.restart() == 4
