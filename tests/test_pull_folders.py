"""What the command refuses; tests/test_remotes.py pulls with it."""

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.pull_folders import pull_folders


def test_outside_of_a_repository_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot be pulled: you are not inside of a DVC repository"):
        pull_folders()
