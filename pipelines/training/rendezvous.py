"""Where ranks meet: a key-value server of a few lines, bound to the loopback interface.

It speaks the protocol of Horovod's Gloo rendezvous (horovod 0.28.1,
horovod/common/gloo/http_store.cc: PUT and GET /scope/key, 404 until there).
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOOPBACK = "127.0.0.1"
_POLL_S = 0.05


@contextmanager
def rendezvous(address: str = LOOPBACK, port: int = 0) -> Generator[int, None, None]:
    """Serve one meeting of ranks, until the end of the block; gives the port (0: a free one)."""
    server = ThreadingHTTPServer((address, port), _Store)
    server.daemon_threads = True
    server.values = {}  # pyright: ignore[reportAttributeAccessIssue]
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class _Store(BaseHTTPRequestHandler):
    """Keeps what ranks tell each other: PUT, GET and DELETE of /scope/key."""

    server: Any

    def do_PUT(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.server.values[self.path] = self.rfile.read(length)
        self._answer(200)

    def do_GET(self) -> None:
        value = self.server.values.get(self.path)
        self._answer(200, value) if value is not None else self._answer(404)

    def do_DELETE(self) -> None:
        # ranks leave one by one; the values go with the server
        self._answer(200)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base's
        """Stay silent."""

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
