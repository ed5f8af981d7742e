import re
import subprocess
import sys
from pathlib import Path
from socket import gethostname

import pytest

from pipeline import locks
from pipeline.errors import InputError
from tests.clones import ROOT, environment

HOLDER = """
import sys
from pathlib import Path
from pipeline.locks import held
with held(Path(sys.argv[1]), str):
    print("held", flush=True)
    input()
"""


def refused(lock: Path) -> str:
    with pytest.raises(InputError) as error, locks.held(lock, lambda holder: f"held by {holder}"):
        pass
    return str(error.value)


def test_a_lock_that_another_process_holds_names_it_and_where_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "new" / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)],
        env=environment() | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    assert refused(lock) == f"held by {holder.pid}"
    here = gethostname()
    monkeypatch.setattr(locks, "gethostname", lambda: "elsewhere")
    assert refused(lock) == f"held by {holder.pid} on {here}"
    lock.write_text("")
    assert refused(lock) == "held by (unknown)"
    holder.kill()
    holder.communicate()
    with locks.held(lock, str):
        assert re.fullmatch(r"[0-9]+ on elsewhere", lock.read_text())
