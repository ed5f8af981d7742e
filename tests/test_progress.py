import pytest

from pipeline.progress import Speed, track, track_bytes


def test_track_yields_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(iter("abc"), "letters", total=3)) == ["a", "b", "c"]
    assert "letters: 100%" in capsys.readouterr().err


def test_bytes_are_counted_from_those_that_were_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track_bytes(iter([b"ab", b"c"]), "file", total=2000, done=1997)) == [b"ab", b"c"]
    assert "file: 100%" in (shown := capsys.readouterr().err) and "2.00k/2.00k" in shown


def test_speed_is_that_of_the_items_since_it_was_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([100.0, 104.0, 104.0, 109.0, 109.0])
    monkeypatch.setattr("time.monotonic", lambda: next(readings))
    speed = Speed()
    speed.count(5)
    speed.count(3)
    assert speed.restart() == 2
    speed.count(20)
    assert speed.restart() == 4
