"""A host on this machine that misbehaves in the ways that hosts do."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Host:
    """What the host has by path, how it behaves, and the ranges it was asked for ("" for the whole)."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    gives: list[int] = field(default_factory=list)  # bytes before each next answer breaks off; whole ones after
    stalls: bool = False  # keeps silent instead of breaking off
    error: int = 0  # to answer everything with
    shift: int = 0  # where ranges begin too late
    unsized: bool = False  # tells no length
    asked: list[tuple[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    url: str = ""


class _Server(ThreadingHTTPServer):
    host: Host


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # type: ignore[assignment]

    def do_GET(self) -> None:
        host, wanted = self.server.host, self.headers.get("Range", "")
        host.asked.append((self.path, wanted))
        content = host.files.get(self.path.lstrip("/"))
        if content is None or host.error:
            self.send_error(host.error or 404)
            return
        start = int(wanted[len("bytes=") : -1]) if wanted and host.ranges else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send(content, start + host.shift if start else 0, start > 0)

    def _send(self, content: bytes, start: int, partial: bool) -> None:
        host, rest = self.server.host, content[start:]
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if not host.unsized:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        given = host.gives.pop(0) if host.gives else len(rest)
        self.wfile.write(rest[:given])
        self.wfile.flush()
        if host.stalls and given < len(rest):
            host.released.wait()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing among the output of the tests."""


@contextmanager
def serving(host: Host) -> Iterator[Host]:
    """Serve on a free port of the loopback device until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.host = host
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    host.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield host
    finally:
        host.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
