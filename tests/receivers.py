"""Who is told of things, on loopback: a web hook like that of a chat, and a mail server."""

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True, slots=True)
class WebHook:
    """Its address, and what was posted there so far."""

    url: str
    posted: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class MailServer:
    """Its port, and the letters that came so far."""

    port: int
    letters: list[EmailMessage]


@contextmanager
def web_hook(path: str) -> Generator[WebHook]:
    """Take JSON that is posted to ``path``; all else is not found there."""
    posted: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_here = self.path == path
            if is_here:
                posted.append(json.loads(body))
            self.send_response(200 if is_here else 404)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield WebHook(f"http://127.0.0.1:{server.server_port}{path}", posted)
        finally:
            server.shutdown()
            thread.join()


class _Letters:
    """What aiosmtpd calls: who may write, and what was written."""

    def __init__(self, login: str, password: str) -> None:
        self._known = LoginPassword(login.encode(), password.encode())
        self.taken: list[EmailMessage] = []

    def may_write(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        return AuthResult(success=given == self._known, handled=False)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        assert isinstance(envelope.content, bytes)
        letter = message_from_bytes(envelope.content, _class=EmailMessage, policy=policy.default)
        self.taken.append(letter)
        return "250 OK"


@contextmanager
def mail_server(login: str, password: str) -> Generator[MailServer]:
    """Take letters from who logs in, without TLS."""
    letters = _Letters(login, password)
    loop = asyncio.new_event_loop()

    def connection() -> SMTP:
        return SMTP(letters, authenticator=letters.may_write, auth_require_tls=False, loop=loop)

    server = loop.run_until_complete(loop.create_server(connection, "127.0.0.1", 0))
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        port = server.sockets[0].getsockname()[1]
        yield MailServer(port, letters.taken)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()
