import pytest

from pipeline.progress import track


def test_track_yields_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(iter("abc"), "letters", total=3)) == ["a", "b", "c"]
    assert "letters: 100%" in capsys.readouterr().err
