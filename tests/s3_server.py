"""An S3 server on this machine: the protocol in full, its objects in memory."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import Request, urlopen


@contextmanager
def serving_bucket(bucket: str) -> Iterator[str]:
    """The address of a server with an empty bucket, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _make_bucket(f"http://127.0.0.1:{port}/{bucket}", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _make_bucket(url: str, server: subprocess.Popen) -> None:
    while server.poll() is None:
        try:
            with urlopen(Request(url, method="PUT")):
                return
        except URLError:
            time.sleep(0.1)  # not up yet
    raise RuntimeError(f"the S3 server ended with {server.returncode} before it answered")
