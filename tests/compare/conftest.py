from pathlib import Path

import pytest

from tests.compare.runs import two_runs


@pytest.fixture(scope="package")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the tags `cold` and `warm`; the tests leave it as it is."""
    return two_runs(tmp_path_factory.mktemp("runs"))
