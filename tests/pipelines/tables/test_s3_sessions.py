"""Whole Spark sessions write one table on S3: what was acknowledged is there once."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.storage.place import place
from pipelines.tables.commits import commit_path, versions
from pipelines.tables.records import read_records
from tests.s3_server import S3Server

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
_NUM_APPENDS = 8


class Session:
    """A Spark session in a process of its own, see other_session.py."""

    def __init__(self, environment: dict[str, str], root: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("other_session.py")), root],
            cwd=ROOT,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, action: str, path: str, name: str = "") -> None:
        """Have it do one thing after what it was told before."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps([action, path, name]) + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """Wait for what it says of the next thing."""
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith(("ready", "done", "conflict", "failed")):
                return line.strip()
        raise AssertionError(f"the session ended with {self.process.wait()}")


@pytest.fixture(scope="module")
def sessions(s3: S3Server) -> Iterator[list[Session]]:
    found = [Session(s3.environment(), f"s3a://{s3.bucket}/sessions") for _ in range(4)]
    try:
        assert [session.answer() for session in found] == ["ready"] * 4
        yield found
    finally:
        for session in found:
            session.process.communicate()  # it ends with its input


@pytest.fixture
def table(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in s3.environment().items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    return f"s3a://{s3.bucket}/sessions/{tmp_path.name}"


@pytest.mark.parametrize("num_sessions", [2, 4])
def test_rows_that_sessions_append_at_once_are_all_there_once(
    sessions: list[Session], table: str, num_sessions: int
) -> None:
    writers = sessions[:num_sessions]
    writers[0].begin("append", table, "before")
    assert writers[0].answer() == "done"
    for number in range(_NUM_APPENDS):
        for who, writer in enumerate(writers):
            writer.begin("append", table, f"{who}-{number}")
    for writer in writers:
        assert [writer.answer() for _ in range(_NUM_APPENDS)] == ["done"] * _NUM_APPENDS
    names = [f"{who}-{n}" for who in range(num_sessions) for n in range(_NUM_APPENDS)]
    assert _names(table) == sorted(["before", *names])
    assert versions(table) == list(range(1 + num_sessions * _NUM_APPENDS))


def test_files_are_joined_by_two_at_once_while_others_append(
    sessions: list[Session], table: str
) -> None:
    appending, joining = sessions[:2], sessions[2:]
    for number in range(6):
        appending[0].begin("append", table, f"before-{number}")
        assert appending[0].answer() == "done"
    for writer in joining:
        writer.begin("join", table)
    for number in range(_NUM_APPENDS):
        for who, writer in enumerate(appending):
            writer.begin("append", table, f"{who}-{number}")
    answers = [writer.answer() for writer in appending for _ in range(_NUM_APPENDS)]
    assert answers == ["done"] * 2 * _NUM_APPENDS
    assert [writer.answer() for writer in joining] == ["done"] * 2
    names = [f"{who}-{n}" for who in range(2) for n in range(_NUM_APPENDS)]
    assert _names(table) == sorted([*[f"before-{n}" for n in range(6)], *names])
    said = [commit_path(table, number).read_text() for number in versions(table)]
    assert any('"operation":"OPTIMIZE"' in text for text in said)


def test_of_two_that_replace_a_table_at_once_both_do_it_one_after_the_other(
    sessions: list[Session], table: str
) -> None:
    first, second = sessions[:2]
    first.begin("append", table, "before")
    assert first.answer() == "done"
    first.begin("replace", table, "first")
    second.begin("replace", table, "second")
    answers = sorted([first.answer(), second.answer()])
    assert answers == ["done", "done"]
    assert _names(table) in (["first"], ["second"])
    assert versions(table) == [0, 1, 2]


def _names(table: str) -> list[str]:
    return sorted(row["name"] for row in read_records(place(table)))
