"""Great Expectations' actions on our results, sent to servers on loopback."""

import json
import socketserver
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from threading import enumerate as all_threads
from typing import Any

import pytest
from pyspark.sql import SparkSession

from pipelines.quality.actions import run_actions
from pipelines.quality.runner import Asked, Checked, check_table
from pipelines.quality.store import store_results
from schemas.contract import Check
from tests.pipelines.quality.rides import GOOD, make_rows, make_spec

SECRET = "a-secret-path"


class Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP (RFC 5321) as a sender without a login needs; keeps what it was sent."""

    received: list[str]

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        text: list[str] = []
        while line := self.rfile.readline().decode():
            word = line[:4].upper()
            if word == "DATA":
                self.wfile.write(b"354 go on\r\n")
                while (line := self.rfile.readline().decode()).strip() != ".":
                    text.append(line)
                self.received.append("".join(text))
            self.wfile.write(b"221 bye\r\n" if word == "QUIT" else b"250 well\r\n")
            if word == "QUIT":
                return


class Channel(BaseHTTPRequestHandler):
    """A webhook; keeps path and body."""

    received: list[str]
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.received.append(f"{self.path} {body}")
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it so
        pass


@contextmanager
def serve(server: socketserver.TCPServer) -> Generator[int]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def checked(spark: SparkSession) -> Checked:
    spec = make_spec(Check("in_set", ("city",), values=("Oslo",)))
    return check_table(make_rows(spark, GOOD), spec, Asked("lake/rides/raw/rides@v7"))


def add_checkpoint(folder: Path, *actions: dict[str, Any]) -> None:
    """As a user would: a file in the project's folder."""
    path = folder / "checkpoints" / "tell_us.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(
            {"name": "tell_us", "id": None, "validation_definitions": [], "actions": actions}
        )
    )


def slack(name: str = "channel") -> dict[str, Any]:
    return {"type": "slack", "name": name, "slack_webhook": "${RIDES_WEBHOOK}", "notify_on": "all"}


def test_mail_and_slack_are_told_with_secrets_from_the_environment(
    checked: Checked,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mail = {
        "type": "email", "name": "mail", "smtp_address": "127.0.0.1", "smtp_port": "${RIDES_PORT}",
        "receiver_emails": "a@example.org, b@example.org", "sender_alias": "rides@example.org",
        "notify_on": "failure",
    }  # fmt: skip
    add_checkpoint(tmp_path, mail, slack())
    letters: list[str] = []
    posts: list[str] = []
    mailbox = type("Box", (Mailbox,), {"received": letters})
    channel = type("Hook", (Channel,), {"received": posts})
    with (
        serve(socketserver.TCPServer(("127.0.0.1", 0), mailbox)) as smtp,
        serve(HTTPServer(("127.0.0.1", 0), channel)) as http,
    ):
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("RIDES_PORT", str(smtp))
        monkeypatch.setenv("RIDES_WEBHOOK", f"http://127.0.0.1:{http}/{SECRET}")
        (report,) = store_results([checked], tmp_path)
    assert report.data_docs
    (letter,) = letters
    assert "To: a@example.org, b@example.org" in letter
    assert "Subject: tell_us: False" in letter
    (post,) = posts
    assert post.startswith(f"/{SECRET} ")
    assert "rides.raw.rides" in post
    assert "tell_us - Failure" in post
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in capsys.readouterr().err


def test_an_action_that_fails_is_a_warning_and_the_next_one_runs(
    checked: Checked,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    nowhere = {**slack("nowhere"), "slack_webhook": "http://127.0.0.1:9/closed"}
    unset = {**slack("unset"), "slack_webhook": "${RIDES_NOT_SET}"}
    wrong = {**slack("wrong"), "slack_webhook": "${RIDES_WRONG}"}
    add_checkpoint(tmp_path, nowhere, unset, wrong, slack())
    monkeypatch.setenv("RIDES_WRONG", f"no-scheme/{SECRET}")
    posts: list[str] = []
    channel = type("Hook", (Channel,), {"received": posts, "status": 403})
    with serve(HTTPServer(("127.0.0.1", 0), channel)) as http:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("RIDES_WEBHOOK", f"http://127.0.0.1:{http}/x")
        (report,) = store_results([checked], tmp_path)
    assert (tmp_path / report.data_docs).is_file()
    assert len(posts) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert [line.split(": ")[1] for line in said] == [
        f"action {name} of checkpoint tell_us" for name in ("nowhere", "unset", "wrong", "channel")
    ]
    assert "no value of ${RIDES_NOT_SET}; Missing" in said[1]
    assert "MissingSchema: Invalid URL '${RIDES_WRONG}'" in said[2]
    assert "403" in said[3]


def test_an_action_whose_server_never_answers_is_given_up(
    checked: Checked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import great_expectations  # noqa: PLC0415

    store_results([checked], tmp_path)
    context: Any = great_expectations.get_context(context_root_dir=str(tmp_path), mode="file")
    (key,) = context.validation_results_store.list_keys()
    silent = socketserver.TCPServer(("127.0.0.1", 0), Channel)  # nobody accepts
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("RIDES_WEBHOOK", f"http://127.0.0.1:{silent.server_address[1]}/")
    add_checkpoint(tmp_path, slack())
    (said,) = run_actions(context, {key: checked.result}, answer_s=0.2)
    assert said.startswith("action channel of checkpoint tell_us: has not ended after 0.2 s")
    silent.server_close()  # resets the connection, so that the action's thread ends
    for thread in all_threads():
        if thread.name == "action-channel":
            thread.join()


def test_a_checkpoint_that_cannot_be_read_is_a_warning(
    checked: Checked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_checkpoint(tmp_path, {"type": "pigeon", "name": "coo"})
    store_results([checked], tmp_path)
    assert "warning: the checkpoints of" in capsys.readouterr().err
