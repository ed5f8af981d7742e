"""What the command refuses; tests/test_remotes.py pulls with it."""

from pathlib import Path

import pytest

from pipeline.pull_folders import main


def test_outside_of_a_repository_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 1
    assert "cannot be pulled: you are not inside of a DVC repository" in caplog.text


def test_an_argument_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    assert main(["report"]) == 1
    assert "report is one argument too many" in caplog.text
