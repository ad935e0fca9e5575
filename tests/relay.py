"""A relay of TCP on loopback before an HTTP server: counts what crosses it, and can break it.

It alters nothing: a signed request stays valid, since clients sign the address that they call.
"""

import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import unquote

_REQUEST = re.compile(rb"^([A-Z]+) (\S+) HTTP/1\.1\r\n")
_END = b"\r\n\r\n"
_PIECE = 65536


@dataclass(slots=True)
class Exchange:
    """The request that a connection carries now, and the bytes of its answer so far."""

    method: str = ""
    path: str = ""
    num_bytes: int = 0


class Relay:
    """What crossed it: requests in their order, and bytes of answers by path, heads included.

    ``is_broken`` is asked after each piece of an answer whether the connection breaks here,
    ``is_lost`` before each whether it and the rest get lost.
    """

    def __init__(self, target: int) -> None:
        self.requests: list[tuple[str, str]] = []
        self.answered: Counter[str] = Counter()
        self.is_broken: Callable[[Exchange], bool] = lambda _: False
        self.is_lost: Callable[[Exchange, bytes], bool] = lambda _, __: False
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]

    def gets(self, part: str = "") -> Counter[str]:
        """Count the objects that were asked for, by path; lists are no objects."""
        paths = [path for method, path in self.requests if method == "GET"]
        return Counter(path for path in paths if part in path and "?" not in path)

    def bytes_of(self, part: str) -> int:
        """Give the bytes of answers for paths that contain ``part``."""
        return sum(count for path, count in self.answered.items() if part in path)

    def forget(self) -> None:
        """Count anew."""
        self.requests.clear()
        self.answered.clear()

    def serve(self) -> None:
        """Take connections until ``close``."""
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Take no more connections and break those there are."""
        # a thread that waits in accept is not woken by close alone
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in [*self._open]:
            _break(end)

    def _carry(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            _break(client)
            return
        self._open += [client, server]
        exchange = Exchange()
        back = threading.Thread(target=self._answer, args=(server, client, exchange), daemon=True)
        back.start()
        with suppress(OSError):
            head = b""
            while piece := client.recv(_PIECE):
                head += piece
                while _END in head:  # requests of a reader have no body
                    one, _, head = head.partition(_END)
                    self._note(one + _END, exchange)
                server.sendall(piece)
        _break(server)
        back.join()
        _break(client)

    def _note(self, head: bytes, exchange: Exchange) -> None:
        if found := _REQUEST.match(head):
            exchange.method, exchange.path = found[1].decode(), unquote(found[2].decode())
            exchange.num_bytes = 0
            self.requests.append((exchange.method, exchange.path))

    def _answer(self, server: socket.socket, client: socket.socket, exchange: Exchange) -> None:
        with suppress(OSError):
            while piece := server.recv(_PIECE):
                if self.is_lost(exchange, piece):
                    break
                exchange.num_bytes += len(piece)
                self.answered[exchange.path] += len(piece)
                client.sendall(piece)
                if self.is_broken(exchange):
                    break
        _break(client)


def _break(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def relay(target: int) -> Generator[Relay]:
    """Relay to a port of this machine until the end of the block."""
    between = Relay(target)
    thread = threading.Thread(target=between.serve, daemon=True)
    thread.start()
    try:
        yield between
    finally:
        between.close()
        thread.join()
